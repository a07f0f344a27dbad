package user_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/controller/user"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/testing/apiserver"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRZ8wZb0xRLRl7W6s6wM6GxBvVYIoNzD3xk0Zs4R9rT test"

// world is a real API server, and a reconciler that runs only when the test calls it.
// The test also does the work of the quota controller and the garbage collector.
type world struct {
	t      *testing.T
	c      client.Client // the test's own client, whose calls are not counted
	name   string        // a unique user name
	r      *user.Reconciler
	events *events.FakeRecorder
	writes []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := apiserver.Client(t)
	w := &world{t: t, c: c, name: apiserver.Namespace(t), events: events.NewFakeRecorder(100)}
	counted := interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if err := c.Get(ctx, key, o, opts...); err != nil {
				return err
			}
			return asCached(o)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			w.writes = append(w.writes, fmt.Sprintf("apply %T", o))
			return c.Apply(ctx, o, opts...)
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			w.writes = append(w.writes, "update "+sub)
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			w.writes = append(w.writes, fmt.Sprintf("delete %T", o))
			return c.Delete(ctx, o, opts...)
		},
	})
	w.r = &user.Reconciler{
		Client: counted, Recorder: w.events, Clock: testclock.NewFakePassiveClock(time.Now()),
		Applier: &apply.Applier{Client: counted, Live: c},
	}
	return w
}

// asCached drops the fields of o that the operator's watch cache drops. It returns a
// NotFound error for an object that is not in the cache, because it lacks the operator's
// label.
func asCached(o client.Object) error {
	for kind, options := range watchcache.Objects() {
		if reflect.TypeOf(kind) != reflect.TypeOf(o) {
			continue
		}
		if options.Label != nil && !options.Label.Matches(labels.Set(o.GetLabels())) {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "objects"}, o.GetName())
		}
		if options.Transform != nil {
			_, err := options.Transform(o)
			return err
		}
	}
	return nil
}

// ns returns the name of the user's namespace.
func (w *world) ns() string { return "dev-" + w.name }

func (w *world) owner() string { return w.name + "@example.com" }

// user creates a DevServerUser, which is deleted when the test ends.
func (w *world) user(edits ...func(*devv1.DevServerUser)) *devv1.DevServerUser {
	w.t.Helper()
	u := &devv1.DevServerUser{
		ObjectMeta: metav1.ObjectMeta{Name: w.name},
		Spec:       devv1.DevServerUserSpec{Username: w.name, Owner: w.owner(), PublicKeys: []string{publicKey}},
	}
	for _, edit := range edits {
		edit(u)
	}
	w.create(u)
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), u) })
	return u
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.c.Create(w.t.Context(), o); err != nil {
			w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

func (w *world) update(o client.Object) {
	w.t.Helper()
	if err := w.c.Update(w.t.Context(), o, client.FieldOwner("hand")); err != nil {
		w.t.Fatalf("updating %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) delete(o client.Object) {
	w.t.Helper()
	if err := w.c.Delete(w.t.Context(), o); err != nil {
		w.t.Fatalf("deleting %T %s: %v", o, o.GetName(), err)
	}
}

// edit changes the DevServerUser of the given name.
func (w *world) edit(name string, change func(*devv1.DevServerUser)) {
	w.t.Helper()
	u := w.read(name)
	change(u)
	w.update(u)
}

// pass makes one pass over a DevServerUser.
func (w *world) pass(name string) (ctrl.Result, error) {
	w.writes = nil
	return w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: name}})
}

// settled makes two passes, of which the second must write nothing, and returns the
// DevServerUser.
func (w *world) settled() *devv1.DevServerUser {
	w.t.Helper()
	return w.settledFor(w.name)
}

func (w *world) settledFor(name string) *devv1.DevServerUser {
	w.t.Helper()
	for i := range 2 {
		if _, err := w.pass(name); err != nil {
			w.t.Fatalf("Reconcile: %v", err)
		}
		if i == 1 && len(w.writes) > 0 {
			w.t.Errorf("the second pass writes %v, want nothing", w.writes)
		}
	}
	return w.read(name)
}

// refused makes two passes that both return an error. The second must not write the
// status.
func (w *world) refused() *devv1.DevServerUser {
	w.t.Helper()
	if _, err := w.pass(w.name); err == nil {
		w.t.Fatal("Reconcile returns no error")
	}
	_, err := w.pass(w.name)
	if status := slices.Contains(w.writes, "update status"); err == nil || status {
		w.t.Errorf("the second pass returns %v and writes %v", err, w.writes)
	}
	return w.read(w.name)
}

func (w *world) read(name string) *devv1.DevServerUser {
	w.t.Helper()
	u := &devv1.DevServerUser{}
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Name: name}, u); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// get reads an object in the user's namespace.
func (w *world) get(o client.Object, name string) {
	w.t.Helper()
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns(), Name: name}, o); err != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
}

func (w *world) namespace() *corev1.Namespace {
	w.t.Helper()
	ns := &corev1.Namespace{}
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Name: w.ns()}, ns); err != nil {
		w.t.Fatal(err)
	}
	return ns
}

// absent fails the test if the user's namespace has an object of this kind and name.
func (w *world) absent(o client.Object, name string) {
	w.t.Helper()
	err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns(), Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
	if err == nil {
		w.t.Errorf("%T %s exists", o, name)
	}
}

// count reports the use of the quota, as the quota controller would.
func (w *world) count(used corev1.ResourceList) {
	w.t.Helper()
	quota := &corev1.ResourceQuota{}
	w.get(quota, "devserver-user")
	quota.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: used}
	if err := w.c.Status().Update(w.t.Context(), quota); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantReady(u *devv1.DevServerUser, state metav1.ConditionStatus, reason, part string) {
	w.t.Helper()
	c := meta.FindStatusCondition(u.Status.Conditions, devv1.ConditionReady)
	if c == nil {
		w.t.Fatalf("the condition Ready is missing from %+v", u.Status)
	}
	if c.Status != state || c.Reason != reason || !strings.Contains(c.Message, part) || c.ObservedGeneration != u.Generation {
		w.t.Errorf("Ready is %s, %s: %s\nwant %s, %s: …%s…", c.Status, c.Reason, c.Message, state, reason, part)
	}
	if u.Status.ObservedGeneration != u.Generation {
		w.t.Errorf("status.observedGeneration is %d, want %d", u.Status.ObservedGeneration, u.Generation)
	}
}

func (w *world) wantEvents(n int) {
	w.t.Helper()
	if got := len(w.events.Events); got != n {
		w.t.Errorf("%d events, want %d", got, n)
	}
}

func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		l[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return l
}
