package devserver

import (
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/lifecycle"
)

// failures remembers which pods of a box were put out of their nodes, and when.
// An operator that starts anew is patient anew.
type failures struct {
	mu    sync.Mutex
	boxes map[types.NamespacedName]*boxFailures
}

type boxFailures struct {
	pod types.UID
	at  []time.Time
}

// note notes a pod that failed as a whole, once, and says until when the box is
// to be held back.
func (f *failures) note(key types.NamespacedName, pod *corev1.Pod, now time.Time) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.boxes[key]
	if failed(pod) && (b == nil || b.pod != pod.UID) {
		if b == nil {
			b = &boxFailures{}
		}
		if f.boxes == nil {
			f.boxes = map[types.NamespacedName]*boxFailures{}
		}
		f.boxes[key] = b
		b.pod, b.at = pod.UID, lifecycle.Recent(b.at, now)
	}
	if b == nil {
		return time.Time{}
	}
	return lifecycle.HoldUntil(b.at)
}

// failed tells of a pod that failed as a whole, and not because it was deleted:
// that ends many a program with an error.
func failed(pod *corev1.Pod) bool {
	if pod == nil || pod.Status.Phase != corev1.PodFailed {
		return false
	}
	return pod.DeletionTimestamp.IsZero() || slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue
	})
}

func (f *failures) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.boxes, key)
}
