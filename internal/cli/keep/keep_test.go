package keep

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

func TestHolds(t *testing.T) {
	now := time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)
	hours := func(n time.Duration) *metav1.Duration { return &metav1.Duration{Duration: n * time.Hour} }
	cases := map[string]struct {
		reason string
		bounds *devserverv1.LifecycleBounds
		want   time.Duration
	}{
		"Unbounded":  {"the flavor says nothing", nil, 6 * time.Hour},
		"Within":     {"the flavor allows longer", &devserverv1.LifecycleBounds{MaxKeep: hours(24)}, 6 * time.Hour},
		"MaxKeep":    {"the flavor allows no longer one", &devserverv1.LifecycleBounds{MaxKeep: hours(2)}, 2 * time.Hour},
		"TimeToLive": {"it started ten hours ago, and may live for twelve", &devserverv1.LifecycleBounds{TimeToLive: &devserverv1.DurationBounds{Max: hours(12)}}, 2 * time.Hour},
	}
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot"}}
	ds.Status.Flavor = "small"
	started := metav1.NewTime(now.Add(-10 * time.Hour))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot-0"}, Status: corev1.PodStatus{StartTime: &started}}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			flavor := &devserverv1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: "small"}}
			flavor.Spec.LifecycleBounds = tc.bounds
			c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(flavor, pod).Build()
			if got := holds(t.Context(), c, ds, 6*time.Hour, now).Sub(now); got != tc.want {
				t.Errorf("%s: it holds for %s, want %s", tc.reason, got, tc.want)
			}
		})
	}
	if got := holds(t.Context(), fake.NewClientBuilder().WithScheme(cluster.Scheme()).Build(), ds, 6*time.Hour, now).Sub(now); got != 6*time.Hour {
		t.Errorf("without a flavor to see, it holds for %s, want what was asked for", got)
	}
}
