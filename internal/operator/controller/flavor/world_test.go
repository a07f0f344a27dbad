package flavor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/controller/flavor"
	"devserver.io/devserver/internal/testing/apiserver"
)

// world is a real API server, with nodes that the test creates and a reconciler that the
// test calls. Flavors and nodes have no namespace, so tests must not run in parallel.
type world struct {
	t      *testing.T
	c      client.WithWatch // the test's own
	ns     string
	r      *flavor.Reconciler
	clock  *testclock.FakePassiveClock
	writes []string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := apiserver.Client(t)
	w := &world{t: t, c: c, ns: apiserver.Namespace(t), clock: testclock.NewFakePassiveClock(time.Now())}
	counted := interceptor.NewClient(c, interceptor.Funcs{
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			w.writes = append(w.writes, sub+" of "+o.GetName())
			return c.SubResource(sub).Update(ctx, o, opts...)
		},
	})
	w.r = &flavor.Reconciler{Client: counted, Clock: w.clock}
	return w
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.c.Create(w.t.Context(), o); err != nil {
			w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
		w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), o, client.GracePeriodSeconds(0)) })
	}
}

// node creates a node with 8 CPUs.
func (w *world) node(name string) *corev1.Node {
	w.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
	w.create(n)
	// Admission taints new nodes until they are ready.
	n.Spec.Taints = nil
	if err := w.c.Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	n.Status.Allocatable = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("110")}
	n.Status.Capacity = n.Status.Allocatable
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	if err := w.c.Status().Update(w.t.Context(), n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// flavor creates a flavor that requests a number of CPUs, and nothing for the SSH server.
func (w *world) flavor(name, cpus string, edits ...func(*devv1.DevServerFlavor)) *devv1.DevServerFlavor {
	w.t.Helper()
	f := &devv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: name}}
	f.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpus)}
	f.Spec.SSHResources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: {}, corev1.ResourceMemory: {}}}
	for _, edit := range edits {
		edit(f)
	}
	w.create(f)
	return f
}

// pod creates a pod that requests a number of CPUs. It is assigned to a node, or pending
// if node is empty.
func (w *world) pod(name, node, cpus string, edits ...func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.ns},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "main", Image: "example.com/image:1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpus)}},
		}}},
	}
	for _, edit := range edits {
		edit(p)
	}
	w.create(p)
	return p
}

// settled reconciles twice. The second time must not write anything.
func (w *world) settled() {
	w.t.Helper()
	w.reconcile()
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	if writes := w.reconcile(); len(writes) > 0 {
		w.t.Errorf("a second pass writes %v", writes)
	}
}

func (w *world) reconcile() []string {
	w.t.Helper()
	w.writes = nil
	if _, err := w.r.Reconcile(w.t.Context(), ctrl.Request{}); err != nil {
		w.t.Fatalf("Reconcile: %v", err)
	}
	return w.writes
}

// want checks the status of a flavor.
func (w *world) want(name string, schedulable devv1.FlavorSchedulable, fits, inUse int32, message string) {
	w.t.Helper()
	f := &devv1.DevServerFlavor{}
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Name: name}, f); err != nil {
		w.t.Fatal(err)
	}
	s := f.Status
	if s.Fits == nil || s.InUse == nil {
		w.t.Fatalf("the status of %s is %+v", name, s)
	}
	if s.Schedulable != schedulable || *s.Fits != fits || *s.InUse != inUse || s.ObservedGeneration != f.Generation {
		w.t.Errorf("%s: %s, %d fit, %d in use; want %s, %d, %d", name, s.Schedulable, *s.Fits, *s.InUse, schedulable, fits, inUse)
	}
	if c := meta.FindStatusCondition(s.Conditions, devv1.ConditionSchedulable); c == nil || !strings.Contains(c.Message, message) {
		w.t.Errorf("the condition Schedulable of %s is %+v, want a message with %q", name, c, message)
	}
}

func (w *world) get(o client.Object, name string) {
	w.t.Helper()
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns, Name: name}, o); err != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
}

// refresh reads an object, edits it and updates it.
func (w *world) refresh(o client.Object, edit func()) {
	w.t.Helper()
	if err := w.c.Get(w.t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		w.t.Fatal(err)
	}
	edit()
	if err := w.c.Update(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}
