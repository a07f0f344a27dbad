package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/policy"
)

// The status reports the policy that applies, also what comes from the operator's
// flags, which users cannot see.
func TestLifecycleStatus(t *testing.T) {
	schedule := &devv1.Schedule{Stop: "0 20 * * *", TimeZone: "Europe/Berlin"}
	old := &devv1.LifecycleStatus{TimeToLive: &metav1.Duration{Duration: time.Minute}}
	hours := func(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }
	cases := map[string]struct {
		reason   string
		spec     *devv1.LifecycleSpec
		defaults policy.Defaults
		unknown  bool
		want     *devv1.LifecycleStatus
	}{
		"Never":    {reason: "an empty value says that nothing stops the server", want: &devv1.LifecycleStatus{}},
		"Defaults": {reason: "the cluster's defaults apply", defaults: policy.Defaults{IdleTimeout: 2 * time.Hour}, want: &devv1.LifecycleStatus{IdleTimeout: hours(2)}},
		"Own": {
			reason: "the DevServer's own settings come first", defaults: policy.Defaults{IdleTimeout: time.Hour, TimeToLive: time.Hour},
			spec: &devv1.LifecycleSpec{TimeToLive: hours(72), OnExpire: devv1.ExpireDelete, DeleteAfterSuspended: hours(720), Schedule: schedule},
			want: &devv1.LifecycleStatus{IdleTimeout: hours(1), TimeToLive: hours(72), OnExpire: devv1.ExpireDelete, DeleteAfterSuspended: hours(720), Schedule: schedule},
		},
		"Unreadable": {
			reason: "a schedule that cannot be read does not apply",
			spec:   &devv1.LifecycleSpec{Schedule: &devv1.Schedule{Stop: "soon"}}, want: &devv1.LifecycleStatus{},
		},
		"Unknown": {reason: "what was reported before stands", unknown: true, want: old},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			d := &devv1.DevServer{}
			d.Spec.Lifecycle, d.Status.Lifecycle = tc.spec, old
			p, _ := policy.Resolve(d, &devv1.DevServerFlavor{}, tc.defaults)
			o := status.Observed{Policy: &p}
			if tc.unknown {
				o.Policy = nil
			}
			got := status.Compute(d, o, time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)).Lifecycle
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
