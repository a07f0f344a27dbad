package flavor_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/controller/flavor"
	"devserver.io/devserver/internal/testing/apiserver"
)

// counter counts passes, each of which reads the clock once.
type counter struct {
	clock.RealClock
	passes atomic.Int32
}

func (c *counter) Now() time.Time {
	c.passes.Add(1)
	return c.RealClock.Now()
}

// start runs the controller with the operator's own watch cache.
func (w *world) start() *counter {
	w.t.Helper()
	scheme, err := operator.Scheme()
	if err != nil {
		w.t.Fatal(err)
	}
	mgr, err := operator.NewManager(operator.Config{REST: apiserver.Config(w.t), MetricsBindAddress: "0", Log: logr.Discard()}, scheme)
	if err != nil {
		w.t.Fatal(err)
	}
	passes := &counter{}
	r := &flavor.Reconciler{Client: mgr.GetClient(), Clock: passes}
	if err := r.SetupWithManager(mgr); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("running the controller: %v", err)
		}
	})
	return passes
}

// await waits until the status of a flavor has the given values.
func (w *world) await(name string, schedulable devv1.FlavorSchedulable, fits int32) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	events, err := w.c.Watch(ctx, &devv1.DevServerFlavorList{}, client.MatchingFields{"metadata.name": name})
	if err != nil {
		w.t.Fatal(err)
	}
	defer events.Stop()
	last := "nothing yet"
	for e := range events.ResultChan() {
		f, ok := e.Object.(*devv1.DevServerFlavor)
		if !ok || f.Status.Fits == nil {
			continue
		}
		if f.Status.Schedulable == schedulable && *f.Status.Fits == fits {
			return
		}
		last = fmt.Sprintf("%s, %d fit", f.Status.Schedulable, *f.Status.Fits)
	}
	w.t.Fatalf("%s never had the status %s, %d fit; the last one was %s", name, schedulable, fits, last)
}

// TestWatches runs the controller once for all subtests, because its metrics allow each
// controller name only once.
func TestWatches(t *testing.T) {
	passes := newWorld(t).start()
	t.Run("the status follows the cluster", func(t *testing.T) { newWorld(t).followsTheCluster(passes) })
	t.Run("Karpenter is installed and removed", func(t *testing.T) { newWorld(t).karpenterInstalledAndRemoved() })
}

// The status follows nodes and pods with at most one pass in five seconds, however many
// events there are. Events that do not change the capacity start no pass.
func (w *world) followsTheCluster(passes *counter) {
	n := w.node("node-1")
	w.flavor("small", "1")
	w.await("small", devv1.SchedulableYes, 8)

	began, before := time.Now(), passes.passes.Load()
	for i := range 6 {
		w.pod(fmt.Sprintf("other-%d", i), "node-1", "1")
		for beat := range 20 {
			w.refresh(n, func() { n.Annotations = map[string]string{"beat": fmt.Sprint(i, beat)} })
		}
	}
	w.await("small", devv1.SchedulableYes, 2)
	if made, most := int(passes.passes.Load()-before), int(time.Since(began)/(5*time.Second))+1; made > most {
		w.t.Errorf("%d passes in %s, want %d at most", made, time.Since(began), most)
	}

	// The last pod above can cause one pass. If these events started passes, there
	// would be one every five seconds.
	p := &corev1.Pod{}
	w.get(p, "other-0")
	began, before = time.Now(), passes.passes.Load()
	for beat := 0; time.Since(began) < 11*time.Second; beat++ {
		w.get(n, n.Name)
		n.Status.Conditions[0].Message = fmt.Sprint(beat)
		w.updateStatus(n)
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, Message: fmt.Sprint(beat)}}
		w.updateStatus(p)
	}
	if made := passes.passes.Load() - before; made > 1 {
		w.t.Errorf("heartbeats of a node and a pod cause %d passes", made)
	}

	w.refresh(n, func() { n.Spec.Unschedulable = true })
	w.await("small", devv1.SchedulableNo, 0)
}

func (w *world) updateStatus(o client.Object) {
	w.t.Helper()
	if err := w.c.Status().Update(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

const nodePoolDefinition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: nodepools.karpenter.sh}
spec:
  group: karpenter.sh
  scope: Cluster
  names: {kind: NodePool, plural: nodepools, singular: nodepool, listKind: NodePoolList}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

// Karpenter can be installed, removed and installed again while the operator runs.
func (w *world) karpenterInstalledAndRemoved() {
	w.flavor("small", "1")
	w.await("small", devv1.SchedulableNo, 0)
	for range 2 {
		definition := w.object(nodePoolDefinition)
		w.create(definition)
		pool := w.object("{apiVersion: karpenter.sh/v1, kind: NodePool, metadata: {name: general}, spec: {limits: {cpu: 1}}}")
		w.createOnceServed(pool)
		w.await("small", devv1.SchedulableAutoscaled, 0)

		pool.Object["status"] = map[string]any{"resources": map[string]any{"cpu": "1"}}
		if err := w.c.Status().Update(w.t.Context(), pool); err != nil {
			w.t.Fatal(err)
		}
		w.await("small", devv1.SchedulableNo, 0)
		delete(pool.Object, "status")
		if err := w.c.Status().Update(w.t.Context(), pool); err != nil {
			w.t.Fatal(err)
		}
		w.await("small", devv1.SchedulableAutoscaled, 0)

		if err := w.c.Delete(w.t.Context(), definition); err != nil {
			w.t.Fatal(err)
		}
		w.await("small", devv1.SchedulableNo, 0)
		w.gone(definition)
	}
}

func (w *world) object(text string) *unstructured.Unstructured {
	w.t.Helper()
	encoded, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(encoded); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// createOnceServed creates an object when the API server serves its kind, which was just
// defined.
func (w *world) createOnceServed(o client.Object) {
	w.t.Helper()
	err := wait.PollUntilContextTimeout(w.t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := w.c.Create(ctx, o)
		return err == nil, client.IgnoreNotFound(ignoreNoMatch(err))
	})
	if err != nil {
		w.t.Fatalf("creating %s: %v", o.GetName(), err)
	}
}

func ignoreNoMatch(err error) error {
	if meta.IsNoMatchError(err) {
		return nil
	}
	return err
}

// gone waits until a deleted object no longer exists.
func (w *world) gone(o client.Object) {
	w.t.Helper()
	err := wait.PollUntilContextTimeout(w.t.Context(), 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		err := w.c.Get(ctx, client.ObjectKeyFromObject(o), o)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	if err != nil {
		w.t.Fatalf("waiting until %s no longer exists: %v", o.GetName(), err)
	}
}
