package devserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/testing/apiserver"
)

// reusedName is a manager that accepts a controller with the name of another one, which
// an earlier test started.
type reusedName struct{ manager.Manager }

func (m reusedName) GetControllerOptions() config.Controller {
	options := m.Manager.GetControllerOptions()
	options.SkipNameValidation = new(true)
	return options
}

// ownEvents records only events about objects in the test's namespace, because the
// watches cover all namespaces.
type ownEvents struct {
	events.EventRecorder

	namespace string
}

func (o ownEvents) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	if object, err := meta.Accessor(regarding); err == nil && object.GetNamespace() == o.namespace {
		o.EventRecorder.Eventf(regarding, related, kind, reason, action, note, args...)
	}
}

// start runs the controller with the operator's own watch cache. Each of wrap replaces
// the client with one that wraps it.
func (w *world) start(wrap ...func(client.Client) client.Client) {
	w.t.Helper()
	scheme, err := operator.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := operator.NewManager(operator.Config{REST: apiserver.Config(w.t), MetricsBindAddress: "0", Log: logr.Discard()}, scheme)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.r.Client, w.r.Live, w.r.Clock = mgr.GetClient(), mgr.GetAPIReader(), clock.RealClock{}
	w.r.Recorder = ownEvents{w.events, w.ns}
	for _, wrapped := range wrap {
		w.r.Client = wrapped(w.r.Client)
	}
	w.r.Applier = &apply.Applier{Client: mgr.GetClient(), Live: mgr.GetAPIReader()}
	if err := w.r.SetupWithManager(ctx, reusedName{mgr}); err != nil {
		w.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("running the controller: %v", err)
		}
	})
}

// await waits until an object exists and ok returns true for it.
func await[T client.Object](w *world, o T, name string, ok func(T) bool) {
	w.t.Helper()
	key := types.NamespacedName{Namespace: w.ns, Name: name}
	err := wait.PollUntilContextTimeout(w.t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := w.c.Get(ctx, key, o)
		return err == nil && ok(o), client.IgnoreNotFound(err)
	})
	if err != nil {
		w.t.Fatalf("waiting for %T %s: %v; the last state is %+v", o, name, err, o)
	}
}

// change edits an object, as a user would.
func change[T client.Object](w *world, o T, name string, edit func(T)) {
	w.t.Helper()
	w.get(o, name)
	before := o.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy
	edit(o)
	if err := w.c.Patch(w.t.Context(), o, client.MergeFrom(before)); err != nil {
		w.t.Fatalf("changing %T %s: %v", o, name, err)
	}
}

// These events lead to a pass, although the watch cache keeps only some fields of each
// object and most events are dropped.
func TestWatches(t *testing.T) {
	w := newWorld(t)
	w.r.Config.GatewayNamespace = "devserver-system"
	flavor := w.flavor()
	w.start()
	w.create(w.devServer())
	await(w, &appsv1.StatefulSet{}, "trainer", func(*appsv1.StatefulSet) bool { return true })

	change(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) { s.Spec.Template.Spec.Containers[0].Image = "example.com/other:1" })
	await(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) bool {
		return s.Spec.Template.Spec.Containers[0].Image == "example.com/trainer:1"
	})
	change(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) { delete(s.Labels, objects.LabelInstance) })
	await(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) bool { return s.Labels[objects.LabelInstance] == "trainer" })

	change(w, &corev1.Service{}, "trainer-ssh", func(s *corev1.Service) { s.Spec.Selector = map[string]string{"app": "other"} })
	await(w, &corev1.Service{}, "trainer-ssh", func(s *corev1.Service) bool { return s.Spec.Selector[objects.LabelInstance] == "trainer" })
	for name, o := range map[string]client.Object{"trainer-ssh": &corev1.Service{}, "trainer-headless": &corev1.Service{}, "trainer": &appsv1.StatefulSet{}} {
		w.get(o, name)
		deleted := o.GetUID()
		if err := w.c.Delete(t.Context(), o); err != nil {
			t.Fatalf("deleting %T %s: %v", o, name, err)
		}
		await(w, o, name, func(o client.Object) bool { return o.GetUID() != deleted })
	}

	w.startPod()
	await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool { return d.Status.Phase == devv1.PhaseRunning })
	flavor.Spec.Env = append(flavor.Spec.Env, devv1.EnvVar{Name: "ADDED", Value: "1"})
	if err := w.c.Update(t.Context(), flavor); err != nil {
		t.Fatal(err)
	}
	await(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) bool { return s.Generation > s.Status.ObservedGeneration })
	w.updateRevision()
	await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool {
		return meta.IsStatusConditionTrue(d.Status.Conditions, devv1.ConditionRestartPending)
	})
	w.wantGatewayWatched()
}

// Events of everything that a DevServer depends on, also through its flavor or owner,
// lead to a pass, even if it was created after the DevServer.
func TestDependenciesAreWatched(t *testing.T) {
	w := newWorld(t)
	w.start()
	owner := "user@" + w.ns
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Owner = owner }), w.devServer(func(d *devv1.DevServer) {
		d.Name, d.Spec.SharedVolumeClaimName = "shares", "efs"
	}))
	accepted := func(name, reason string) {
		t.Helper()
		await(w, &devv1.DevServer{}, name, func(d *devv1.DevServer) bool {
			c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionAccepted)
			return c != nil && c.Reason == reason
		})
	}
	accepted("trainer", devv1.ReasonFlavorNotFound)
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Volumes = []devv1.VolumeMount{{ClaimName: "datasets", MountPath: "/datasets"}}
	})
	accepted("trainer", devv1.ReasonClaimNotFound)
	w.create(w.claim("datasets", nil))
	accepted("trainer", devv1.ReasonApplied)
	accepted("shares", devv1.ReasonClaimNotFound)
	w.create(w.claim("efs", nil))
	accepted("shares", devv1.ReasonApplied)

	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Name, d.Spec.Home = "copies", &devv1.HomeSpec{DataSource: &devv1.HomeDataSource{Kind: "PersistentVolumeClaim", Name: "source"}}
	}))
	accepted("copies", devv1.ReasonClaimNotFound)
	w.create(w.claim("source", ownersHome))
	accepted("copies", devv1.ReasonApplied)

	// A home is free once the DevServer that uses it is deleted.
	w.create(w.claim("common", ownersHome))
	common := func(name string) func(*devv1.DevServer) {
		return func(d *devv1.DevServer) { d.Name, d.Spec.Home = name, &devv1.HomeSpec{ClaimName: "common"} }
	}
	first := w.devServer(common("a-first"))
	w.create(first)
	accepted("a-first", devv1.ReasonApplied)
	w.create(w.devServer(common("b-second")))
	accepted("b-second", devv1.ReasonClaimInUse)
	if err := w.c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	accepted("b-second", devv1.ReasonApplied)

	// A server that starts gets passes without an event, so what follows is about one that
	// runs.
	w.startPod()
	await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool { return d.Status.Phase == devv1.PhaseRunning })
	w.user("alice", owner, func(u *devv1.DevServerUser) { u.Spec.PublicKeys = []string{otherKey} })
	await(w, &corev1.Secret{}, "trainer-ssh", func(s *corev1.Secret) bool {
		return string(s.Data["authorized_keys"]) == publicKey+"\n"+otherKey+"\n"
	})

	// Quotas and LimitRanges of the namespace, even if the operator did not create them.
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: w.ns}, Spec: corev1.ResourceQuotaSpec{Hard: amounts("pods", "8")}}
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "team", Namespace: w.ns}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{
		{Type: corev1.LimitTypeContainer, Min: amounts("memory", "64Mi")},
	}}}
	ssh := func(cpuLimit, memoryRequest string) {
		t.Helper()
		await(w, &appsv1.StatefulSet{}, "trainer", func(s *appsv1.StatefulSet) bool {
			r := s.Spec.Template.Spec.Containers[1].Resources
			return r.Limits.Cpu().String() == cpuLimit && r.Requests.Memory().String() == memoryRequest
		})
	}
	w.create(quota, limits)
	ssh("0", "64Mi")
	change(w, quota, "team", func(q *corev1.ResourceQuota) { q.Spec.Hard = amounts("limits.cpu", "8") })
	ssh("1", "64Mi")
	change(w, limits, "team", func(l *corev1.LimitRange) { l.Spec.Limits[0].Min = amounts("memory", "48Mi") })
	ssh("1", "48Mi")
	for _, o := range []client.Object{quota, limits} {
		if err := w.c.Delete(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	ssh("0", "32Mi")
}
