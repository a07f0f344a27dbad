package wait

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
)

// fakeCluster is a cluster with objects, whose reads of a single DevServer are
// answered by get: the state before the watch begins.
func fakeCluster(get func(*devserverv1.DevServer), funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	name := func(o client.Object) []string { return []string{o.GetName()} }
	funcs.Get = func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, o client.Object, _ ...client.GetOption) error {
		if ds, ok := o.(*devserverv1.DevServer); ok {
			get(ds)
		}
		return nil
	}
	return fakeClient{fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).
		WithIndex(&devserverv1.DevServer{}, "metadata.name", name).
		WithIndex(&corev1.Pod{}, "metadata.name", name).
		WithIndex(&corev1.PersistentVolumeClaim{}, "metadata.name", name).
		WithIndex(&corev1.Event{}, "involvedObject.name", func(o client.Object) []string {
			return []string{o.(*corev1.Event).InvolvedObject.Name}
		}).
		WithInterceptorFuncs(funcs).Build()}
}

// fakeClient says what the interceptor hides of the fake client: that it cannot
// send the initial objects through a watch.
type fakeClient struct{ client.WithWatch }

func (fakeClient) IsWatchListSemanticsUnSupported() bool { return true }

func TestDeletedBeforeTheWatchBegins(t *testing.T) {
	c := fakeCluster(func(ds *devserverv1.DevServer) { starting().DeepCopyInto(ds) }, interceptor.Funcs{})
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "box", Timeout: time.Hour}, genericiooptions.NewTestIOStreamsDiscard())
	if exit.Code(err) != exit.NotFound {
		t.Errorf("got %v, want that it was deleted", err)
	}
}

func TestRunningIsKnownWithoutTheRightToPods(t *testing.T) {
	ds := server(devserverv1.PhaseRunning, devserverv1.ReasonAnswering, "SSH answers.")
	ds.Status.SSH = &devserverv1.SSHStatus{Command: "ssh dev@box"}
	forbidden := apierrors.NewForbidden(corev1.Resource("pods"), "", nil)
	c := fakeCluster(func(got *devserverv1.DevServer) { starting().DeepCopyInto(got) }, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*devserverv1.DevServerList); !ok {
				return forbidden
			}
			return c.List(ctx, list, o...)
		},
	}, ds)
	var out bytes.Buffer
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "box", Timeout: time.Hour}, genericiooptions.IOStreams{Out: &out, ErrOut: new(bytes.Buffer)})
	if err != nil || out.String() != "ssh dev@box\n" {
		t.Errorf("got %q and %v, want the ssh command", out.String(), err)
	}
}

func TestWithoutTheRightToWatchItSaysSo(t *testing.T) {
	c := fakeCluster(func(ds *devserverv1.DevServer) { starting().DeepCopyInto(ds) }, interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return apierrors.NewForbidden(devserverv1.GroupVersion.WithResource("devservers").GroupResource(), "box", nil)
		},
	})
	err := Run(t.Context(), c, Options{Namespace: "team", Name: "box", Timeout: time.Hour}, genericiooptions.NewTestIOStreamsDiscard())
	if exit.Code(err) != exit.Refused || !strings.Contains(err.Error(), "ask the cluster's admin") {
		t.Errorf("got %v (exit code %d), want a refusal that says whom to ask", err, exit.Code(err))
	}
}
