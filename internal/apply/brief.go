package apply

import (
	"net/http"

	"k8s.io/apimachinery/pkg/types"
)

// brief is how an API server is asked for an object's metadata alone.
const brief = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// AnswerBriefly makes the API server answer an apply with the metadata of what
// came of it: nothing else is read, and a pod template is long. It wraps a
// client's transport.
func AnswerBriefly(next http.RoundTripper) http.RoundTripper { return briefly{next} }

type briefly struct{ next http.RoundTripper }

func (b briefly) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Method == http.MethodPatch && request.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		request = request.Clone(request.Context())
		request.Header.Set("Accept", brief)
	}
	return b.next.RoundTrip(request)
}
