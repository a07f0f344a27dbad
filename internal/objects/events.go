package objects

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// EventTime is when an event was seen last. Each of the two event APIs sets
// another field.
func EventTime(e corev1.Event) time.Time {
	if e.LastTimestamp.IsZero() {
		return e.EventTime.Time
	}
	return e.LastTimestamp.Time
}
