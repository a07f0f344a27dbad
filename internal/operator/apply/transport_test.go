package apply_test

import (
	"net/http"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/operator/apply"
)

type server func(*http.Request) (*http.Response, error)

func (s server) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

// Only an apply is answered with metadata alone: of other answers, such as that to
// a status update, the whole object is read.
func TestAnswerWithMetadata(t *testing.T) {
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
		_, _ = apply.AnswerWithMetadata(server(func(r *http.Request) (*http.Response, error) {
			got = r.Header.Get("Accept")
			return &http.Response{Body: http.NoBody}, nil
		})).RoundTrip(request) //nolint:bodyclose // it has none
		if got != tc.want {
			t.Errorf("%s of %s asks for %s, want %s", tc.method, tc.content, got, tc.want)
		}
		if request.Header.Get("Accept") != "application/json" {
			t.Errorf("%s of %s: the caller's request was changed", tc.method, tc.content)
		}
	}
}
