// Package brief keeps what the API server tells the operator short: most of
// what it says of an object nobody reads, such as who set which of its fields.
package brief

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// metadataOnly is how an API server is asked for an object's metadata alone.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// Transport has what the operator writes answered by what came of it alone: an
// object that was applied, or whose status was written, by its kind, name,
// namespace, uid, resourceVersion and generation, without the rest of it. The
// events of watches come without managed fields and, in protobuf, with as much of
// an object as the mask says that is known by the path of its kind, such as
// /api/v1/pods. All of that is taken out before it is decoded. Anything else comes
// as it is. It makes a wrapper for a client's transport.
func Transport(masks map[string]Mask) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return transport{next, masks} }
}

type transport struct {
	next  http.RoundTripper
	masks map[string]Mask
}

func (t transport) RoundTrip(request *http.Request) (*http.Response, error) {
	applies := request.Method == http.MethodPatch && request.Header.Get("Content-Type") == string(types.ApplyPatchType)
	if applies {
		// A pod template is long: it is not even sent.
		request = request.Clone(request.Context())
		request.Header.Set("Accept", metadataOnly)
	}
	response, err := t.next.RoundTrip(request)
	if err != nil || response.StatusCode/100 != 2 || response.Header.Get("Content-Encoding") != "" {
		return response, err
	}
	reports := request.Method == http.MethodPut && strings.HasSuffix(request.URL.Path, "/status")
	watches := request.Method == http.MethodGet && request.URL.Query().Get("watch") != ""
	content, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	switch {
	case watches && content == runtime.ContentTypeJSON:
		response.Body = newEvents(response.Body, lines())
	case watches && content == runtime.ContentTypeProtobuf:
		response.Body = newEvents(response.Body, frames(t.masks[request.URL.Path]))
	case (applies || reports) && content == runtime.ContentTypeJSON:
		if err := shorten(response); err != nil {
			return nil, err
		}
	}
	return response, nil
}

// answer is what is left of one, to be read once.
type answer struct {
	*bytes.Reader
	memory *memory
}

// memory is for answers, one after the other.
type memory struct {
	whole bytes.Buffer
	short []byte
}

var memories = sync.Pool{New: func() any { return &memory{} }}

// much is more memory than is worth keeping for another answer.
const much = 64 << 10

// shorten leaves of an answer what the object is.
func shorten(response *http.Response) error {
	m := memories.Get().(*memory) //nolint:forcetypeassert // as New says
	m.whole.Reset()
	_, err := m.whole.ReadFrom(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("reading the API server's answer: %w", err)
	}
	text, ok := identity(m.short[:0], m.whole.Bytes())
	if ok {
		m.short = text
	} else {
		text = m.whole.Bytes()
	}
	response.Body, response.ContentLength = &answer{bytes.NewReader(text), m}, int64(len(text))
	response.Header.Del("Content-Length")
	return nil
}

// Close gives the memory back, once.
func (a *answer) Close() error {
	a.Reset(nil)
	if a.memory != nil && a.memory.whole.Cap() <= much {
		memories.Put(a.memory)
	}
	a.memory = nil
	return nil
}
