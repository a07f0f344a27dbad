// Package brief keeps what the API server tells the operator short: most of
// what it says of an object is who set which of its fields, which nobody reads.
package brief

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// metadataOnly is how an API server is asked for an object's metadata alone.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// Transport makes the API server answer an apply with the metadata of what came
// of it, since a pod template is long, and takes metadata.managedFields out of
// what comes as JSON, before it is decoded: out of the answers to writes, and of
// what the watches of our own kinds tell. Others come as protobuf, and as they
// are. It wraps a client's transport.
func Transport(next http.RoundTripper) http.RoundTripper { return transport{next} }

type transport struct{ next http.RoundTripper }

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPatch && request.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		request = request.Clone(request.Context())
		request.Header.Set("Accept", metadataOnly)
	}
	response, err := t.next.RoundTrip(request)
	if err != nil || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") || response.Header.Get("Content-Encoding") != "" {
		return response, err
	}
	switch {
	case request.Method != http.MethodGet:
		if err := shorten(response); err != nil {
			return nil, err
		}
	case request.URL.Query().Get("watch") != "":
		response.Body = newEvents(response.Body)
	}
	return response, nil
}

// shorten does it with an object that is answered to a write.
func shorten(response *http.Response) error {
	text := bytes.NewBuffer(make([]byte, 0, max(response.ContentLength, 0)+bytes.MinRead))
	_, err := text.ReadFrom(response.Body)
	if err := closing(response.Body, err); err != nil {
		return fmt.Errorf("reading the API server's answer: %w", err)
	}
	short := withoutManagedFields(text.Bytes(), inObject)
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(short)), int64(len(short))
	response.Header.Del("Content-Length")
	return nil
}

// closing closes what was read until err.
func closing(body io.Closer, err error) error {
	if closeErr := body.Close(); err == nil {
		return closeErr
	}
	return err
}
