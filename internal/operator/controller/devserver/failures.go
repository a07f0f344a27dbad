package devserver

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// departed remembers the last pods of boxes that Kubernetes put out of their
// nodes: one that is forced away, as those of a deleted Node are, may be gone
// before a pass sees it.
type departed struct{ pods sync.Map }

func (l *departed) note(box types.NamespacedName, pod *corev1.Pod) {
	if status.Disrupted(pod) {
		l.pods.Store(box, pod)
	}
}

// before gives the pod that the box had before this one, or had last if it has
// none now: nil if that was not put out, or somebody was told.
func (l *departed) before(box types.NamespacedName, pod *corev1.Pod) *corev1.Pod {
	value, _ := l.pods.Load(box)
	last, _ := value.(*corev1.Pod)
	if last != nil && pod != nil && last.UID == pod.UID {
		return nil
	}
	return last
}

// told forgets a pod of which the status tells, and none that followed it.
func (l *departed) told(box types.NamespacedName, pod *corev1.Pod) { l.pods.CompareAndDelete(box, pod) }

func (l *departed) forget(box types.NamespacedName) { l.pods.Delete(box) }

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
	return pod.DeletionTimestamp.IsZero() || status.Disrupted(pod)
}

func (f *failures) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.boxes, key)
}
