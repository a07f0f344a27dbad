package devserver_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/testing/apiserver"
)

const publicKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRZ8wZb0xRLRl7W6s6wM6GxBvVYIoNzD3xk0Zs4R9rT test"

// world is one namespace of a real API server, and a reconciler that runs only when
// the test calls it. The test also does the work of the StatefulSet controller and
// the kubelet, because neither runs.
type world struct {
	t      *testing.T
	c      client.Client // the test's own client, whose calls are not counted
	ns     string
	node   string // of the pod
	r      *devserver.Reconciler
	clock  *testclock.FakePassiveClock
	events *events.FakeRecorder
	agent  *fakeAgent

	mu     sync.Mutex
	writes []string
	gets   []string
	// crash, if set, stops the operator at one of its writes.
	crash *crash
	// restartOperator replaces the reconciler with one whose memory is empty.
	restartOperator func()
	// failGet and failWrite, if set, make reads from the cache and writes fail.
	failGet   func(client.Object) error
	failWrite func(what string) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := apiserver.Client(t)
	w := &world{t: t, c: c, ns: apiserver.Namespace(t), node: "node-1", clock: testclock.NewFakePassiveClock(time.Now()), events: events.NewFakeRecorder(100)}
	counted := interceptor.NewClient(c, interceptor.Funcs{
		// Like the watch cache, which drops fields and has indexes.
		List: listAsCached,
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if w.failGet != nil {
				if err := w.failGet(o); err != nil {
					return err
				}
			}
			if err := c.Get(ctx, key, o, opts...); err != nil {
				return err
			}
			return asCached(o)
		},
		Apply: func(ctx context.Context, c client.WithWatch, o runtime.ApplyConfiguration, opts ...client.ApplyOption) error {
			return w.write(fmt.Sprintf("apply %T", o), func() error { return c.Apply(ctx, o, opts...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, o client.Object, opts ...client.SubResourceUpdateOption) error {
			return w.write("update "+sub, func() error { return c.SubResource(sub).Update(ctx, o, opts...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return w.write(fmt.Sprintf("create %T", o), func() error { return c.Create(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return w.write(fmt.Sprintf("patch %T", o), func() error { return c.Patch(ctx, o, p, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return w.write(fmt.Sprintf("delete %T", o), func() error { return c.Delete(ctx, o, opts...) })
		},
	})
	live := interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			w.gets = append(w.gets, fmt.Sprintf("%T %s", o, key))
			return c.Get(ctx, key, o, opts...)
		},
	})
	w.restartOperator = func() { w.r = w.newReconciler(counted, live) }
	w.agent = &fakeAgent{t: t}
	w.restartOperator()
	return w
}

// newReconciler returns the reconciler of an operator that has just started.
func (w *world) newReconciler(counted client.Client, live client.Reader) *devserver.Reconciler {
	return &devserver.Reconciler{
		Client: counted, Live: live, Recorder: w.events, Clock: w.clock,
		Applier: &apply.Applier{Client: counted, Live: live},
		Poller:  w.pollerOf(w.agent),
		Gateway: devserver.NewGateway(),
		Config: devserver.Config{
			Master: []byte(strings.Repeat("m", 32)), DefaultImage: "example.com/trainer:1", AgentImage: "example.com/agent:1",
			Services: policy.Services{Types: policy.DefaultServiceTypes()},
			Agents:   devserver.Agents{Update: agentupdate.Policy{Mode: agentupdate.WhenIdle, Deadline: agentupdate.DefaultDeadline}, Namespace: w.ns},
		},
	}
}

// asCached drops the fields of o that the operator's watch cache drops.
func asCached(o client.Object) error {
	for kind, options := range watchcache.Objects() {
		if options.Transform != nil && reflect.TypeOf(kind) == reflect.TypeOf(o) {
			_, err := options.Transform(o)
			return err
		}
	}
	return nil
}

// listAsCached lists as the operator's watch cache does: it selects by the indexed fields,
// by which the API server cannot select, and leaves out the fields that the cache drops.
func listAsCached(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
	var options client.ListOptions
	options.ApplyOptions(opts)
	selector := options.FieldSelector
	options.FieldSelector = nil
	if err := c.List(ctx, list, &options); err != nil {
		return err
	}
	all, err := meta.ExtractList(list)
	if err != nil {
		return err
	}
	var selected []runtime.Object
	for _, o := range all {
		if err := asCached(o.(client.Object)); err != nil {
			return err
		}
		if selector == nil {
			continue
		}
		matches := true
		for _, term := range selector.Requirements() {
			values, err := indexed(o.(client.Object), term.Field)
			if err != nil {
				return err
			}
			matches = matches && slices.Contains(values, term.Value)
		}
		if matches {
			selected = append(selected, o)
		}
	}
	if selector == nil {
		return nil
	}
	return meta.SetList(list, selected)
}

func indexed(o client.Object, field string) ([]string, error) {
	for _, index := range watchcache.Indexes() {
		if index.Field == field && reflect.TypeOf(index.Kind) == reflect.TypeOf(o) {
			return index.Values(o), nil
		}
	}
	return nil, fmt.Errorf("the watch cache has no index of %T by %s", o, field)
}

// write records a write of the operator and makes it, unless the operator has
// crashed.
func (w *world) write(what string, do func() error) error {
	w.mu.Lock()
	w.writes = append(w.writes, what)
	w.mu.Unlock()
	if w.failWrite != nil {
		if err := w.failWrite(what); err != nil {
			return err
		}
	}
	if w.crash != nil {
		return w.crash.write(do)
	}
	return do()
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.c.Create(w.t.Context(), o); err != nil {
			w.t.Fatalf("creating %T %s: %v", o, o.GetName(), err)
		}
	}
}

// flavor creates a flavor with a unique name, because flavors are cluster-scoped.
func (w *world) flavor(edits ...func(*devv1.DevServerFlavor)) *devv1.DevServerFlavor {
	w.t.Helper()
	f := newFlavor("flavor-"+w.ns, edits...)
	w.create(f)
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), f) })
	return f
}

func newFlavor(name string, edits ...func(*devv1.DevServerFlavor)) *devv1.DevServerFlavor {
	f := &devv1.DevServerFlavor{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: devv1.DevServerFlavorSpec{Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
		}},
	}
	for _, edit := range edits {
		edit(f)
	}
	return f
}

func (w *world) devServer(edits ...func(*devv1.DevServer)) *devv1.DevServer {
	d := &devv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Name: "trainer", Namespace: w.ns},
		Spec: devv1.DevServerSpec{
			Owner: "user@example.com", Flavor: "flavor-" + w.ns,
			SSH:                devv1.SSHSpec{PublicKey: publicKey},
			PersistentHomeSize: resource.MustParse("1Gi"),
		},
	}
	for _, edit := range edits {
		edit(d)
	}
	return d
}

func (w *world) key() types.NamespacedName {
	return types.NamespacedName{Namespace: w.ns, Name: "trainer"}
}

// reconcile makes a pass and those that follow from the agent's answers. It returns the
// result of the last one, and all writes.
func (w *world) reconcile() (ctrl.Result, []string) {
	w.t.Helper()
	w.writes = nil
	result, err := w.passes()
	if err != nil {
		w.t.Fatalf("Reconcile: %v", err)
	}
	return result, slices.Clone(w.writes)
}

// passes makes a pass, has the agent answer what it asked, and makes another pass if the
// answer leads to one.
func (w *world) passes() (ctrl.Result, error) {
	w.t.Helper()
	for {
		result, err := w.pass()
		if errors.Is(err, errCrash) || !w.answer() || err != nil {
			return result, err
		}
	}
}

// pass makes one pass.
func (w *world) pass() (ctrl.Result, error) {
	w.t.Helper()
	w.agent.inPass.Store(true)
	defer w.agent.inPass.Store(false)
	return w.r.Reconcile(w.t.Context(), ctrl.Request{NamespacedName: w.key()})
}

// answer makes the calls to the agent that passes asked for, and returns whether an answer
// leads to another pass.
func (w *world) answer() (leads bool) {
	for {
		asked, answered := w.r.Poller.Answer(w.t.Context(), w.key())
		if !asked {
			return leads
		}
		leads = leads || answered
	}
}

// settled calls reconcile twice, of which the second must write nothing, and returns the
// DevServer.
func (w *world) settled() *devv1.DevServer {
	w.t.Helper()
	w.reconcile()
	if _, writes := w.reconcile(); len(writes) > 0 {
		w.t.Errorf("the second pass writes %v, want nothing", writes)
	}
	return w.read()
}

func (w *world) read() *devv1.DevServer {
	w.t.Helper()
	d := &devv1.DevServer{}
	w.get(d, "trainer")
	return d
}

func (w *world) get(o client.Object, name string) {
	w.t.Helper()
	if err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns, Name: name}, o); err != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
}

// absent fails the test if an object of this kind and name exists.
func (w *world) absent(o client.Object, name string) {
	w.t.Helper()
	err := w.c.Get(w.t.Context(), types.NamespacedName{Namespace: w.ns, Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		w.t.Fatalf("reading %T %s: %v", o, name, err)
	}
	if err == nil {
		w.t.Errorf("%T %s exists", o, name)
	}
}

// startPod creates a Ready pod, as the StatefulSet controller and a kubelet would.
func (w *world) startPod() *corev1.Pod {
	w.t.Helper()
	return w.startPodWith(func(p *corev1.Pod) {
		if !slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return c.Name == objects.SSHContainer }) {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: objects.SSHContainer, Image: w.r.Config.AgentImage})
		}
	})
}

func (w *world) startPodWith(edit func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	return w.startPodOf("trainer", "10.0.0.9", edit)
}

// startPodOf creates the Ready pod of a server, with an address.
func (w *world) startPodOf(server, ip string, edit func(*corev1.Pod)) *corev1.Pod {
	w.t.Helper()
	set := &appsv1.StatefulSet{}
	w.get(set, server)
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Generation, UpdateRevision: "trainer-1", Replicas: 1}
	if err := w.c.Status().Update(w.t.Context(), set); err != nil {
		w.t.Fatalf("updating the StatefulSet's status: %v", err)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: server + "-0", Namespace: w.ns, Labels: set.Spec.Template.Labels, Annotations: set.Spec.Template.Annotations},
		Spec:       set.Spec.Template.Spec,
	}
	pod.Labels[appsv1.StatefulSetRevisionLabel] = "trainer-1"
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	pod.Spec.NodeName = w.node
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "home"})
	edit(pod)
	w.create(pod)
	started := metav1.Now().Rfc3339Copy()
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: ip, HostIP: "192.0.2.1", StartTime: &started,
		PodIPs:     []corev1.PodIP{{IP: ip}},
		HostIPs:    []corev1.HostIP{{IP: "192.0.2.1"}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: started}},
	}
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatalf("updating the pod's status: %v", err)
	}
	return pod
}

func (w *world) wantCondition(d *devv1.DevServer, kind string, state metav1.ConditionStatus, reason, part string) {
	w.t.Helper()
	c := meta.FindStatusCondition(d.Status.Conditions, kind)
	if c == nil {
		w.t.Fatalf("the condition %s is missing from %+v", kind, d.Status.Conditions)
	}
	if c.Status != state || c.Reason != reason || !strings.Contains(c.Message, part) {
		w.t.Errorf("%s is %s, %s: %s\nwant %s, %s: …%s…", kind, c.Status, c.Reason, c.Message, state, reason, part)
	}
}
