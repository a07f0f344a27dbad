package flavor

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

// What a pass costs grows with the cluster, and how often there is one does not:
// a thousand boxes have one in five seconds, ten thousand in fifty.
func TestRest(t *testing.T) {
	for _, tc := range []struct {
		boxes int
		want  time.Duration
	}{
		{0, 5 * time.Second},
		{1000, 5 * time.Second},
		{2000, 10 * time.Second},
		{10000, 50 * time.Second},
	} {
		got := rest(capacity.Observed{Pods: make([]*corev1.Pod, tc.boxes), DevServers: make([]*devv1.DevServer, tc.boxes)})
		if got != tc.want {
			t.Errorf("with %d boxes, passes rest for %s, want %s", tc.boxes, got, tc.want)
		}
	}
}
