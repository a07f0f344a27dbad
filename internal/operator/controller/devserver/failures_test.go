package devserver

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"devserver.io/devserver/internal/objects"
)

var boxKey = types.NamespacedName{Namespace: "team", Name: "box"}

// endedPod is one that failed, deleted by somebody if deletion is set, and put
// out by Kubernetes for a reason, if there is one.
func endedPod(uid types.UID, deletion *metav1.Time, disruption string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: "box-0", UID: uid, DeletionTimestamp: deletion, Labels: map[string]string{objects.LabelInstance: "box"},
	}}
	pod.Status.Phase = corev1.PodFailed
	if disruption != "" {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: disruption}}
	}
	return pod
}

// Three failures in ten minutes hold a box back, but not three restarts by its
// owner, whose programs end with an error when they are told to.
func TestFailuresThatCount(t *testing.T) {
	now := metav1.Now()
	for name, test := range map[string]struct {
		deletion   *metav1.Time
		disruption string
		held       bool
	}{
		"evicted by its node":  {nil, "TerminationByKubelet", true},
		"ended by itself":      {nil, "", true},
		"drained":              {&now, "EvictionByEvictionAPI", true},
		"deleted by its owner": {&now, "", false},
	} {
		var f failures
		var held time.Time
		for _, uid := range []types.UID{"a", "b", "c", "c"} {
			held = f.note(boxKey, endedPod(uid, test.deletion, test.disruption), now.Time)
		}
		if got := !held.IsZero(); got != test.held {
			t.Errorf("%s: held back %t, want %t", name, got, test.held)
		}
		if f.forget(boxKey); !f.note(boxKey, nil, now.Time).IsZero() {
			t.Errorf("%s: a new box of the name is held back for the old one", name)
		}
	}
}

// A pod that is forced away may be gone before any pass sees what became of it.
func TestDepartedPodsAreRemembered(t *testing.T) {
	for disruption, want := range map[string]bool{"DeletionByPodGC": true, "": false} {
		var left departed
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		podHandler(left.note).Delete(t.Context(), event.DeleteEvent{Object: endedPod("a", nil, disruption)}, q)
		q.ShutDown()
		gone := left.before(boxKey, nil)
		if got := gone != nil; got != want {
			t.Errorf("put out by %q: remembered %t, want %t", disruption, got, want)
		}
		if left.before(boxKey, endedPod("b", nil, "")) != gone || left.before(boxKey, endedPod("a", nil, "")) != nil {
			t.Error("it is not the pod before the next one, or is the one before itself")
		}
		if left.told(boxKey, endedPod("other", nil, disruption)); left.before(boxKey, nil) != gone {
			t.Error("it is forgotten with another pod")
		}
		if left.told(boxKey, gone); left.before(boxKey, nil) != nil {
			t.Error("it is not forgotten once somebody was told")
		}
		left.note(boxKey, endedPod("a", nil, disruption))
		if left.forget(boxKey); left.before(boxKey, nil) != nil {
			t.Error("it is not forgotten")
		}
	}
}
