package status

import (
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Conditions are the conditions of one object, of the generation that was
// observed, at one time.
type Conditions struct {
	List       *[]metav1.Condition
	Generation int64
	Now        time.Time
}

// Set sets one of them. Its lastTransitionTime changes only with its status.
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

// Remove removes one of them, if it exists.
func (c Conditions) Remove(kind string) { meta.RemoveStatusCondition(c.List, kind) }

// conditionStatus is True or False.
func conditionStatus(is bool) metav1.ConditionStatus {
	if is {
		return metav1.ConditionTrue
	}
	return metav1.ConditionFalse
}

// maxMessage keeps a message readable; the API allows 32 KiB.
const maxMessage = 1024

// bounded is the message, cut if it is too long.
func bounded(message string) string {
	runes := []rune(message)
	if len(runes) <= maxMessage {
		return message
	}
	return string(runes[:maxMessage-1]) + "…"
}
