// Package brief keeps what the API server tells the operator short: most of
// what it says of an object is who set which of its fields, which nobody reads.
package brief

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// metadataOnly is how an API server is asked for an object's metadata alone.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// Transport makes the API server answer an apply with the metadata of what came
// of it, since a pod template is long, and takes metadata.managedFields out of
// the answers to writes, and of the events of watches, before they are decoded.
// What is read as a whole comes as it is. It wraps a client's transport.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPatch && request.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		request = request.Clone(request.Context())
		request.Header.Set("Accept", metadataOnly)
	}
	response, err := t.next.RoundTrip(request)
	if err != nil || response.Header.Get("Content-Encoding") != "" {
		return response, err
	}
	content, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	watch := request.Method == http.MethodGet && request.URL.Query().Get("watch") != ""
	switch {
	case watch && content == runtime.ContentTypeJSON:
		response.Body = newEvents(response.Body, lines())
	case watch && content == runtime.ContentTypeProtobuf:
		response.Body = newEvents(response.Body, frames())
	case request.Method != http.MethodGet && content == runtime.ContentTypeJSON:
		if err := shorten(response); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// texts are memory for answers, which is used again unless there is much of it.
var texts = sync.Pool{New: func() any { return &bytes.Buffer{} }}

const muchText = 64 << 10

// shorten makes the answer to a write short.
func shorten(response *http.Response) error {
	text := texts.Get().(*bytes.Buffer) //nolint:forcetypeassert // as New says
	text.Reset()
	_, err := text.ReadFrom(response.Body)
	if err := closing(response.Body, err); err != nil {
		return fmt.Errorf("reading the API server's answer: %w", err)
	}
	short := withoutManagedFields(text.Bytes(), inObject)
	response.Body, response.ContentLength = &answer{bytes.NewReader(short), text}, int64(len(short))
	response.Header.Del("Content-Length")
	return nil
}

// answer is what is left of one, to be read once.
type answer struct {
	*bytes.Reader
	text *bytes.Buffer
}

// Close gives the memory back, once.
func (a *answer) Close() error {
	a.Reset(nil)
	if a.text != nil && a.text.Cap() <= muchText {
		texts.Put(a.text)
	}
	a.text = nil
	return nil
}

// closing closes what was read until err.
func closing(body io.Closer, err error) error {
	if closeErr := body.Close(); err == nil {
		return closeErr
	}
	return err
}
