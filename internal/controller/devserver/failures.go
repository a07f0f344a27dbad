package devserver

import (
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
	if pod != nil && pod.Status.Phase == corev1.PodFailed && (b == nil || b.pod != pod.UID) {
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

func (f *failures) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.boxes, key)
}
