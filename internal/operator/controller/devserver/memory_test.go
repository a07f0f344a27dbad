package devserver

import (
	"bytes"
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
	"devserver.io/devserver/internal/sshkeys"
)

var serverKey = types.NamespacedName{Namespace: "team", Name: "trainer"}

// endedPod is one that failed. Somebody deleted it if deletion is set, and
// Kubernetes evicted it if disruption is.
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
// not: a program that is stopped may end with an error.
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
			t.Errorf("%s: a new server of the same name is delayed for the old one", name)
		}
	}
}

// A pod that is deleted by force may be gone before a pass sees what happened to
// it.
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
			t.Error("it is not the pod before the next one, or it is the one before itself")
		}
		if s.reported(endedPod("other", nil, disruption)); s.disruptedBefore(nil) != evicted {
			t.Error("it is forgotten when another pod is reported")
		}
		if !want {
			continue
		}
		if s.reported(evicted); s.disruptedBefore(nil) != nil {
			t.Error("it is not forgotten when it is reported")
		}
		m.podDeleted(serverKey, endedPod("a", nil, disruption))
		if m.forget(serverKey); m.of(serverKey).disruptedBefore(nil) != nil {
			t.Error("it is not forgotten with its server")
		}
	}
}

// The keys are those that are derived, whoever had a server of that name before.
func TestKeysOfTheOwner(t *testing.T) {
	master := bytes.Repeat([]byte("m"), 32)
	var m memory
	for _, owner := range []string{"alice", "alice", "bob", "alice"} {
		want, err := sshkeys.Derive(master, serverKey.Namespace, serverKey.Name, owner)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.keysOf(serverKey, owner, master)
		if err != nil || got.HostPublic != want.HostPublic || got.ControlToken != want.ControlToken {
			t.Errorf("the keys of %s are %q, want %q: %v", owner, got.HostPublic, want.HostPublic, err)
		}
		again, err := m.keysOf(serverKey, owner, master)
		if err != nil || &again.HostKeyPEM[0] != &got.HostKeyPEM[0] {
			t.Errorf("the keys of %s are derived again: %v", owner, err)
		}
	}
	if _, err := m.keysOf(types.NamespacedName{Name: "other"}, "alice", nil); err == nil {
		t.Error("without a master secret there are keys")
	}
	if m.forget(serverKey); m.of(serverKey).owner != "" {
		t.Error("the keys of a deleted server are kept")
	}
}

// What a server's memory holds does not depend on the time of its passes.
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
