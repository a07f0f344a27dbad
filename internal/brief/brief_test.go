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
		_, _ = Transport(server(func(r *http.Request) (*http.Response, error) {
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

// Answers to writes lose their managed fields, and so do the events of watches,
// in both forms. What is read as a whole stays as it is.
func TestShortens(t *testing.T) {
	const (
		whole = `{"metadata":{"name":"a","managedFields":[{"manager":"b"}]}}`
		short = `{"metadata":{"name":"a"}}`
	)
	line := func(object string) string { return `{"type":"ADDED","object":` + object + "}\n" }
	for name, tc := range map[string]struct{ method, url, content, text, want string }{
		"a write":        {http.MethodPut, "/status", "application/json", whole, short},
		"with a charset": {http.MethodPatch, "/", "application/json; charset=utf-8", whole, short},
		"of protobuf":    {http.MethodPut, "/", "application/vnd.kubernetes.protobuf", whole, whole},
		"a read":         {http.MethodGet, "/?resourceVersion=1", "application/json", whole, whole},
		"a watch":        {http.MethodGet, "/?resourceVersion=1&watch=true", "application/json", line(whole) + line(whole), line(short) + line(short)},
		"its protobuf":   {http.MethodGet, "/?watch=true", "application/vnd.kubernetes.protobuf;stream=watch", event(t, "a", true), event(t, "a", false)},
	} {
		client := &http.Client{Transport: Transport(server(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: http.StatusOK, ContentLength: int64(len(tc.text)),
				Header: http.Header{"Content-Type": {tc.content}, "Content-Length": {strconv.Itoa(len(tc.text))}},
				Body:   io.NopCloser(strings.NewReader(tc.text)),
			}, nil
		}))}
		request, err := http.NewRequestWithContext(t.Context(), tc.method, "https://example.com"+tc.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
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

// An answer that breaks off is an error, as it is without us.
func TestBrokenAnswer(t *testing.T) {
	broken := errors.New("the network is down")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://example.com", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Transport(server(func(*http.Request) (*http.Response, error) {
		return &http.Response{Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(iotest.ErrReader(broken))}, nil
	})).RoundTrip(request) //nolint:bodyclose // there is none
	if !errors.Is(err, broken) {
		t.Errorf("the error is %v, want %v", err, broken)
	}
}
