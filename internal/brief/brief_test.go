package brief

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"k8s.io/apimachinery/pkg/types"
)

type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// Only an apply is answered with metadata alone: what else is sent, such as a
// status, has the whole object as its answer.
func TestAsksForMetadata(t *testing.T) {
	for _, tc := range []struct{ method, content, want string }{
		{http.MethodPatch, string(types.ApplyPatchType), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"},
		{http.MethodPatch, string(types.MergePatchType), "application/json"},
		{http.MethodPut, "application/json", "application/json"},
		{http.MethodGet, "", "application/json"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tc.method, "https://example.com", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", tc.content)
		request.Header.Set("Accept", "application/json")
		var got string
		_, _ = Transport(nil)(server(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Accept")
			return &http.Response{Body: http.NoBody}, nil
		})).RoundTrip(request) //nolint:bodyclose // it has none
		if got != tc.want {
			t.Errorf("%s of %s asks for %s, want %s", tc.method, tc.content, got, tc.want)
		}
		if request.Header.Get("Accept") != "application/json" {
			t.Error("the caller's request is changed")
		}
	}
}

// Answers to what the operator writes lose all but what the object is, and the
// events of watches their managed fields, in both forms. Anything else stays as it
// is.
func TestShortens(t *testing.T) {
	const (
		object  = `"apiVersion":"v1","kind":"A","metadata":{"name":"a"`
		whole   = `{` + object + `,` + managed + `},"spec":{"b":1}}`
		brief   = `{` + object + `}}`
		refusal = `{"apiVersion":"v1","kind":"Status","metadata":{},"status":"Failure","message":"no"}`
		events  = `{"type":"ADDED","object":` + whole + "}\n" + `{"type":"DELETED","object":` + whole + "}\n"
		short   = `{"type":"ADDED","object":{` + object + `},"spec":{"b":1}}}` + "\n" + `{"type":"DELETED","object":{` + object + `},"spec":{"b":1}}}` + "\n"
	)
	for name, tc := range map[string]struct {
		method, url, sent string
		code              int
		content           string
		text, want        string
	}{
		"an apply":          {http.MethodPatch, "/", string(types.ApplyPatchType), 201, "application/json", whole, brief},
		"a status":          {http.MethodPut, "/boxes/a/status", "application/json", 200, "application/json; charset=utf-8", whole, brief},
		"a refused apply":   {http.MethodPatch, "/", string(types.ApplyPatchType), 409, "application/json", refusal, refusal},
		"a refused status":  {http.MethodPut, "/boxes/a/status", "application/json", 409, "application/json", refusal, refusal},
		"an update":         {http.MethodPut, "/boxes/status1", "application/json", 200, "application/json", whole, whole},
		"a merge patch":     {http.MethodPatch, "/", string(types.MergePatchType), 200, "application/json", whole, whole},
		"a protobuf status": {http.MethodPut, "/boxes/a/status", "", 200, "application/vnd.kubernetes.protobuf", whole, whole},
		"what is no object": {http.MethodPut, "/boxes/a/status", "", 200, "application/json", "[]", "[]"},
		"a read":            {http.MethodGet, "/boxes/a/status?resourceVersion=1", "", 200, "application/json", whole, whole},
		"a watch":           {http.MethodGet, "/?resourceVersion=1&watch=true", "", 200, "application/json", events, short},
		"its protobuf":      {http.MethodGet, "/?watch=true", "", 200, "application/vnd.kubernetes.protobuf;stream=watch", event(t, "a", true), event(t, "a", false)},
		"a refused watch":   {http.MethodGet, "/?watch=true", "", 410, "application/json", refusal, refusal},
	} {
		client := &http.Client{Transport: Transport(nil)(server(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: tc.code, ContentLength: int64(len(tc.text)),
				Header: http.Header{"Content-Type": {tc.content}, "Content-Length": {strconv.Itoa(len(tc.text))}},
				Body:   io.NopCloser(strings.NewReader(tc.text)),
			}, nil
		}))}
		request, err := http.NewRequestWithContext(t.Context(), tc.method, "https://example.com"+tc.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", tc.sent)
		for range 2 { // The memory is used again.
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(response.Body)
			if err != nil || string(got) != tc.want {
				t.Errorf("%s became %q, %v, want %q", name, got, err, tc.want)
			}
			for range 2 {
				if err := response.Body.Close(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// An answer that breaks off is an error, as it is without us.
func TestBrokenAnswer(t *testing.T) {
	broken := errors.New("the network is down")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://example.com/status", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Transport(nil)(server(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(iotest.ErrReader(broken))}, nil
	})).RoundTrip(request) //nolint:bodyclose // there is none
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v, want %v", err, broken)
	}
}
