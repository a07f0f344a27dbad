package create

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// TestCtrlCWhileItIsWritten: Ctrl-C does not interrupt the request, so that the user
// knows whether the server exists.
func TestCtrlCWhileItIsWritten(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	small := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(small).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if review, ok := object.(*authenticationv1.SelfSubjectReview); ok {
				review.Status.UserInfo.Username = "ann"
				return nil
			}
			interrupt()
			if err := ctx.Err(); err != nil {
				return err
			}
			return c.Create(ctx, object, options...)
		},
	}).Build()
	key := filepath.Join(t.TempDir(), "key.pub")
	if err := os.WriteFile(key, []byte(laptop), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{Flavor: "small", Waiting: wait.Options{Wait: true}}
	o.Waiting.Name, o.Waiting.Timeout, o.Output.Format, o.Keys.Files = "bot", time.Hour, text, []string{key}
	var out bytes.Buffer
	err := Run(ctx, &cluster.Cluster{Client: c, Namespace: "team", Chosen: true}, o, genericiooptions.IOStreams{Out: &out, ErrOut: &out})
	if exit.Code(err) != exit.Interrupted || !strings.Contains(err.Error(), "to keep waiting: devctl wait bot -n team") {
		t.Errorf("got %v, want how to keep waiting", err)
	}
	var made devserverv1.DevServer
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "bot"}, &made); err != nil || made.Spec.Owner != "ann" {
		t.Errorf("it was not created as requested: %v, %+v", err, made.Spec)
	}
	// Before it is written, nothing is.
	o.Waiting.Name = "late"
	if err := Run(ctx, &cluster.Cluster{Client: c, Namespace: "team", Chosen: true}, o, genericiooptions.IOStreams{Out: &out, ErrOut: &out}); exit.Code(err) != exit.Interrupted {
		t.Errorf("got %v, want that it was stopped", err)
	}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: "team", Name: "late"}, &made); err == nil {
		t.Error("it was created after Ctrl-C")
	}
}
