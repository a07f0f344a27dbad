package objects

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// StartedAt returns when a pod was started, from which the time to live counts; zero
// if it was not. A start before the pod's creation comes from a node whose clock is
// behind the API server's, and counts as the creation.
func StartedAt(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime.IsZero() {
		return time.Time{}
	}
	started, created := pod.Status.StartTime.Time, pod.CreationTimestamp.Time
	if created.After(started) {
		return created
	}
	return started
}
