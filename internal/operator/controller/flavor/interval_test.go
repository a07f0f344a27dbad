package flavor

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
)

// A pass takes longer in a larger cluster, so it runs less often: every five seconds with
// a thousand servers, every fifty with ten thousand.
func TestInterval(t *testing.T) {
	for _, tc := range []struct {
		servers int
		want    time.Duration
	}{
		{0, 5 * time.Second},
		{1000, 5 * time.Second},
		{2000, 10 * time.Second},
		{10000, 50 * time.Second},
	} {
		got := interval(capacity.Observed{Pods: make([]corev1.Pod, tc.servers), DevServers: make([]devv1.DevServer, tc.servers)})
		if got != tc.want {
			t.Errorf("with %d servers, the interval is %s, want %s", tc.servers, got, tc.want)
		}
	}
}
