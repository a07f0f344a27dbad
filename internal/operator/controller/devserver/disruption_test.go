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

// gate holds passes back at their first read while it is shut.
type gate struct {
	client.Client

	reached, opened chan struct{}
	once            sync.Once
}

func (g *gate) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, is := o.(*devv1.DevServer); is {
		g.once.Do(func() { close(g.reached) })
		select {
		case <-g.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return g.Client.Get(ctx, key, o, opts...)
}

// putOut does to a pod what the pod garbage collector does to those of a deleted
// Node.
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

// Where the next pod is there before a pass has seen that the last one went, the
// owner is told all the same, once.
func TestPodReplacedBeforeAnybodyLooks(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	lost := w.startPod()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)

	shut := &gate{reached: make(chan struct{}), opened: make(chan struct{})}
	w.start(func(c client.Client) client.Client {
		shut.Client, w.r.Clock = c, w.clock
		return shut
	})
	<-shut.reached
	w.evict(lost)
	next := w.startPod()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		pod := &corev1.Pod{}
		err := shut.Client.Get(ctx, client.ObjectKeyFromObject(next), pod)
		return err == nil && pod.UID == next.UID, client.IgnoreNotFound(err)
	})
	if err != nil {
		t.Fatalf("waiting until the operator knows of the next pod: %v", err)
	}
	close(shut.opened)

	d := &devv1.DevServer{}
	await(w, d, "trainer", func(d *devv1.DevServer) bool { return d.Status.LastDisruption != nil })
	told := d.Status.LastDisruption
	if told.Reason != devv1.ReasonEvicted || !strings.Contains(told.Message, "its node was deleted") || d.Status.Phase != devv1.PhaseRunning {
		t.Errorf("the trainer is %s, and of what happened it is said: %+v", d.Status.Phase, told)
	}
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	// By the second of two passes, the first has said all that it had to say.
	for _, keys := range [][]string{{publicKey}, nil} {
		change(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) { d.Spec.SSH.PublicKeys = keys })
		edited := w.read().Generation
		await(w, d, "trainer", func(d *devv1.DevServer) bool { return d.Status.ObservedGeneration == edited })
	}
	w.wantEvent("Warning Evicted")
	select {
	case e := <-w.events.Events:
		t.Errorf("after that it is said: %s", e)
	default:
	}
}
