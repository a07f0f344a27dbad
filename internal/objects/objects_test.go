package objects_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/objects"
)

func TestNodeReady(t *testing.T) {
	pressure := corev1.NodeCondition{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}
	for name, test := range map[string]struct {
		conditions []corev1.NodeCondition
		want       corev1.ConditionStatus
	}{
		"new":      {nil, ""},
		"no Ready": {[]corev1.NodeCondition{pressure}, ""},
		"ready":    {[]corev1.NodeCondition{pressure, {Type: corev1.NodeReady, Status: corev1.ConditionTrue}}, corev1.ConditionTrue},
		"lost":     {[]corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionUnknown}}, corev1.ConditionUnknown},
	} {
		if got := objects.NodeReady(&corev1.Node{Status: corev1.NodeStatus{Conditions: test.conditions}}); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestEventTime(t *testing.T) {
	at := time.Unix(100, 0)
	for name, event := range map[string]corev1.Event{
		"core/v1":          {LastTimestamp: metav1.NewTime(at)},
		"events.k8s.io/v1": {EventTime: metav1.NewMicroTime(at)},
		"both":             {LastTimestamp: metav1.NewTime(at), EventTime: metav1.NewMicroTime(at.Add(-time.Hour))},
	} {
		if got := objects.EventTime(event); !got.Equal(at) {
			t.Errorf("%s: got %s, want %s", name, got, at)
		}
	}
}
