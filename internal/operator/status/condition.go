package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions are those of one object, of the generation that they are about,
// as they are found at one time.
type Conditions struct {
	List       *[]metav1.Condition
	Generation int64
	Now        time.Time
}

// Set sets one of them. The time of its last transition changes with its state
// alone.
func (c Conditions) Set(kind string, state metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(c.List, metav1.Condition{
		Type:               kind,
		Status:             state,
		Reason:             reason,
		Message:            bounded(message),
		ObservedGeneration: c.Generation,
		LastTransitionTime: metav1.NewTime(c.Now),
	})
}

// Remove takes one of them away, if it is there.
func (c Conditions) Remove(kind string) {
	// Without this look, all of them are copied to find that there is none.
	if meta.FindStatusCondition(*c.List, kind) != nil {
		meta.RemoveStatusCondition(c.List, kind)
	}
}

// conditionStatus is what a condition says of something that is so or not.
func conditionStatus(is bool) metav1.ConditionStatus {
	if is {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// maxMessage keeps a message readable; the API allows 32 KiB.
const maxMessage = 1024

// bounded is the message, cut where it is too long.
func bounded(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	runes := []rune(message)
	if len(runes) <= maxMessage {
		return message
	}
	return string(runes[:maxMessage-1]) + "…"
}
