package objects_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/objects"
)

func TestStartedAt(t *testing.T) {
	at := func(second int64) *metav1.Time { return &metav1.Time{Time: time.Unix(second, 0)} }
	for name, test := range map[string]struct {
		created, started *metav1.Time
		want             time.Time
	}{
		"started later":         {at(10), at(12), time.Unix(12, 0)},
		"clock of node behind":  {at(10), at(5), time.Unix(10, 0)},
		"not started":           {at(10), nil, time.Time{}},
		"start without a value": {at(10), &metav1.Time{}, time.Time{}},
	} {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *test.created}, Status: corev1.PodStatus{StartTime: test.started}}
		if got := objects.StartedAt(pod); !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
