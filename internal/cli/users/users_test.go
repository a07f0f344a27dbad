package users

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

func TestListWithoutUsers(t *testing.T) {
	streams, _, out, errOut := genericiooptions.NewTestIOStreams()
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).Build()
	if err := list(t.Context(), c, &output.Flags{Format: output.Table}, streams); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(errOut.String(), "There are no users. To add one: devctl users create ") || out.String() != "" {
		t.Errorf("got %q, and %q for scripts", errOut, out)
	}
}
