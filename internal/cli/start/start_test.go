package start

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/lease"
)

// server is a suspended DevServer whose Ready condition has a reason.
func server(reason string) *devserverv1.DevServer {
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "web", UID: "uid"}}
	ds.Spec.Suspend = true
	ds.Status.Phase = devserverv1.PhaseSuspended
	ds.Status.Conditions = []metav1.Condition{{Type: devserverv1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: "It is suspended."}}
	return ds
}

// run starts the server web in a cluster with these objects, which funcs intercept.
func run(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) (string, error) {
	t.Helper()
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
	var options wait.Options
	options.Namespace, options.Name = "team", "web"
	var out bytes.Buffer
	err := Run(t.Context(), c, options, genericiooptions.IOStreams{Out: &out, ErrOut: &out})
	return out.String(), err
}

func TestWithoutTheRightToLeases(t *testing.T) {
	noLeases := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
		if _, ok := o.(*coordinationv1.Lease); ok {
			return apierrors.NewForbidden(coordinationv1.Resource("leases"), key.Name, nil)
		}
		return c.Get(ctx, key, o, options...)
	}}
	if said, err := run(t, noLeases, server(devserverv1.ReasonSuspended)); err != nil || !strings.Contains(said, "it was suspended.") {
		t.Errorf("one that its owner suspended: %q, %v, want that it starts", said, err)
	}
	if said, err := run(t, noLeases, server(devserverv1.ReasonIdle)); exit.Code(err) != exit.Refused {
		t.Errorf("one that is suspended for being idle: %q, %v, want a refusal", said, err)
	}
}

func TestTheLeaseComesFirst(t *testing.T) {
	ds := server(devserverv1.ReasonSuspended)
	object := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "web",
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(ds, devserverv1.GroupVersion.WithKind("DevServer"))},
		Annotations:     map[string]string{lease.AnnotationSuspension: lease.Suspension{Cause: devserverv1.ReasonIdle, At: time.Now()}.Text()},
	}}
	var patched []string
	_, err := run(t, interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, options ...client.PatchOption) error {
		kind := "DevServer"
		if _, ok := o.(*coordinationv1.Lease); ok {
			kind = "Lease"
		}
		patched = append(patched, kind)
		return c.Patch(ctx, o, p, options...)
	}}, ds, object)
	if diff := cmp.Diff([]string{"Lease", "DevServer"}, patched); diff != "" || err != nil {
		t.Errorf("%v: patched (-want +got):\n%s", err, diff)
	}
}

func TestStartReportsAnObstacle(t *testing.T) {
	ds := server(devserverv1.ReasonSuspended)
	ds.Status.Conditions = append(ds.Status.Conditions, metav1.Condition{
		Type: devserverv1.ConditionAccepted, Status: metav1.ConditionFalse, Reason: devserverv1.ReasonFlavorNotFound, Message: "There is no flavor huge.",
	})
	want := "DevServer web starts again: it was suspended. It cannot start yet (FlavorNotFound): There is no flavor huge. To wait for it: devctl wait web -n team\n"
	if said, err := run(t, interceptor.Funcs{}, ds); err != nil || said != want {
		t.Errorf("got %q, %v, want %q", said, err, want)
	}
}

func TestWhatIsBeingDeletedDoesNotStart(t *testing.T) {
	ds, now := server(devserverv1.ReasonTerminating), metav1.Now()
	ds.DeletionTimestamp, ds.Finalizers = &now, []string{"example.com/held"}
	if said, err := run(t, interceptor.Funcs{}, ds); exit.Code(err) != exit.Refused {
		t.Errorf("got %q, %v, want a refusal", said, err)
	}
}
