package devserver

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/lifecycle"
)

var serverKey = types.NamespacedName{Namespace: "team", Name: "trainer"}

// endedPod returns a pod that failed. If deletion is set, its owner deleted it. If
// disruption is set, Kubernetes evicted it.
func endedPod(uid types.UID, deletion *metav1.Time, disruption string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: serverKey.Namespace, Name: serverKey.Name + "-0", UID: uid, DeletionTimestamp: deletion,
		Labels: map[string]string{objects.LabelInstance: serverKey.Name},
	}}
	pod.Status.Phase = corev1.PodFailed
	if disruption != "" {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: disruption}}
	}
	return pod
}

// Three failures in ten minutes delay the next pod. Three restarts by the owner do
// not, although a stopped program may end with an error.
func TestFailuresThatCount(t *testing.T) {
	now := metav1.Now()
	for name, test := range map[string]struct {
		deletion   *metav1.Time
		disruption string
		delayed    bool
	}{
		"evicted by its node":  {nil, "TerminationByKubelet", true},
		"ended by itself":      {nil, "", true},
		"drained":              {&now, "EvictionByEvictionAPI", true},
		"deleted by its owner": {&now, "", false},
	} {
		var m memory
		for _, uid := range []types.UID{"a", "b", "c", "c"} {
			m.of(serverKey).noteFailure(endedPod(uid, test.deletion, test.disruption), now.Time)
		}
		if got := !lifecycle.HoldUntil(m.of(serverKey).failures).IsZero(); got != test.delayed {
			t.Errorf("%s: delayed %t, want %t", name, got, test.delayed)
		}
		if m.forget(serverKey); len(m.of(serverKey).failures) > 0 {
			t.Errorf("%s: the failures of a deleted server count for a new one of the same name", name)
		}
	}
}

// A pod that is force-deleted may no longer exist when a pass looks for what happened
// to it.
func TestEvictedPodsAreRemembered(t *testing.T) {
	for disruption, want := range map[string]bool{"DeletionByPodGC": true, "": false} {
		var m memory
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		podHandler(m.podDeleted).Delete(t.Context(), event.DeleteEvent{Object: endedPod("a", nil, disruption)}, q)
		q.ShutDown()
		s := m.of(serverKey)
		evicted := s.disruptedBefore(nil)
		if got := evicted != nil; got != want {
			t.Errorf("evicted by %q: remembered %t, want %t", disruption, got, want)
		}
		if s.disruptedBefore(endedPod("b", nil, "")) != evicted || s.disruptedBefore(endedPod("a", nil, "")) != nil {
			t.Error("want the evicted pod before the next pod, and none before the evicted one")
		}
		if s.forgetDisrupted(endedPod("other", nil, disruption)); s.disruptedBefore(nil) != evicted {
			t.Error("it is forgotten although another pod was reported")
		}
		if !want {
			continue
		}
		if s.forgetDisrupted(evicted); s.disruptedBefore(nil) != nil {
			t.Error("it is remembered although it was reported")
		}
		m.podDeleted(serverKey, endedPod("a", nil, disruption))
		if m.forget(serverKey); m.of(serverKey).disruptedBefore(nil) != nil {
			t.Error("it is remembered although its server was deleted")
		}
	}
}

// A pod without the label belongs to no server, so nothing would ever forget it.
func TestEvictedPodOfNoServer(t *testing.T) {
	var m memory
	pod := endedPod("a", nil, "DeletionByPodGC")
	pod.Labels = nil
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	podHandler(m.podDeleted).Delete(t.Context(), event.DeleteEvent{Object: pod}, q)
	if len(m.servers) > 0 || q.Len() > 0 {
		t.Errorf("%d servers are remembered and %d requested, want none", len(m.servers), q.Len())
	}
}

// A suspension on a Lease that this pass created cannot be cleared by the same pass.
func TestClearSuspensionOfALeaseNotReadYet(t *testing.T) {
	if err := (&server{}).ClearSuspension(t.Context()); !errors.Is(err, errStale) {
		t.Errorf("the error is %v, want errStale", err)
	}
}

// However many passes see a failed pod, it counts as one failure.
func TestFailureOfTheSamePodCountsOnce(t *testing.T) {
	var s remembered
	now := time.Now()
	for range 5 {
		s.noteFailure(endedPod("a", nil, ""), now)
	}
	if len(s.failures) != 1 {
		t.Errorf("%d failures are remembered, want 1", len(s.failures))
	}
}
