package devserver_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// gate blocks passes at their first read until opened is closed.
type gate struct {
	client.Client

	reached, opened chan struct{}
	once            sync.Once
}

func (g *gate) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*devv1.DevServer); ok {
		g.once.Do(func() { close(g.reached) })
		select {
		case <-g.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Client.Get(ctx, key, o, opts...)
}

// evict does what the pod garbage collector does to the pods of a deleted Node.
func (w *world) evict(pod *corev1.Pod) {
	w.t.Helper()
	pod.Status.Phase = corev1.PodFailed
	pod.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC", LastTransitionTime: metav1.Now(),
	}}
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatalf("updating the pod's status: %v", err)
	}
	if err := w.c.Delete(w.t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		w.t.Fatalf("deleting the pod: %v", err)
	}
}

// If an evicted pod was replaced before a pass saw that, the status and one event
// report the eviction all the same.
func TestPodReplacedBeforeAPass(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	lost := w.startPod()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)

	blocked := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	w.start(func(c client.Client) client.Client {
		blocked.Client, w.r.Clock = c, w.clock
		return blocked
	})
	<-blocked.reached
	w.evict(lost)
	next := w.startPod()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		pod := &corev1.Pod{}
		err := blocked.Client.Get(ctx, client.ObjectKeyFromObject(next), pod)
		return err == nil && pod.UID == next.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatalf("waiting for the next pod in the watch cache: %v", err)
	}
	close(blocked.opened)

	d := &devv1.DevServer{}
	await(w, d, "trainer", func(d *devv1.DevServer) bool { return d.Status.LastDisruption != nil })
	reported := d.Status.LastDisruption
	if reported.Reason != devv1.ReasonEvicted || !strings.Contains(reported.Message, "its node was deleted") || d.Status.Phase != devv1.PhaseRunning {
		t.Errorf("the phase is %s, and the last disruption is %+v", d.Status.Phase, reported)
	}
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	// When the second of two passes ends, the first has recorded all its events.
	for _, keys := range [][]string{{publicKey}, nil} {
		change(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) { d.Spec.SSH.PublicKeys = keys })
		edited := w.read().Generation
		await(w, d, "trainer", func(d *devv1.DevServer) bool { return d.Status.ObservedGeneration == edited })
	}
	w.wantEvent("Warning Evicted")
	select {
	case e := <-w.events.Events:
		t.Errorf("another event: %s", e)
	default:
	}
}
