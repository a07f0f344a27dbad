package apply

import (
	"net/http"

	"k8s.io/apimachinery/pkg/types"
)

// metadataOnly asks the API server for an object's metadata in place of the object.
const metadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// AnswerWithMetadata has applies answered with the metadata of the object alone,
// which is all that is read of the answer: a StatefulSet with its pod template is
// not sent back. It wraps the transport of a client, see rest.Config.Wrap.
func AnswerWithMetadata(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method == http.MethodPatch && request.Header.Get("Content-Type") == string(types.ApplyPatchType) {
			request = request.Clone(request.Context()) // A RoundTripper must not change the request.
			request.Header.Set("Accept", metadataOnly)
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }
