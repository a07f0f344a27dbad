package policy

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
)

// noon is a Friday.
var noon = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }
func in(d time.Duration) time.Time  { return noon.Add(d) }

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

func bounds(least, most time.Duration) *devv1.DurationBounds {
	b := &devv1.DurationBounds{}
	if least > 0 {
		b.Min = lasting(least)
	}
	if most > 0 {
		b.Max = lasting(most)
	}
	return b
}

func server(own *devv1.LifecycleSpec) *devv1.DevServer {
	return &devv1.DevServer{Spec: devv1.DevServerSpec{Lifecycle: own}}
}

func flavor(theirs *devv1.LifecycleSpec, within *devv1.LifecycleBounds) *devv1.DevServerFlavor {
	f := &devv1.DevServerFlavor{Spec: devv1.DevServerFlavorSpec{Lifecycle: theirs, LifecycleBounds: within}}
	f.Name = "gpu"
	return f
}

func TestResolve(t *testing.T) {
	usual := agentapi.Thresholds{CPUMillis: agentapi.DefaultCPUMillis, GPUPercent: agentapi.DefaultGPUPercent, SSHBytes: agentapi.DefaultSSHBytes}
	own := &devv1.LifecycleSpec{
		TimeToLive: lasting(2 * time.Hour), IdleTimeout: lasting(time.Hour), OnExpire: devv1.ExpireDelete,
		DeleteAfterSuspended: lasting(24 * time.Hour), Activity: &devv1.ActivityThresholds{GPUPercent: 5},
	}
	theirs := &devv1.LifecycleSpec{
		TimeToLive: lasting(20 * time.Hour), IdleTimeout: lasting(10 * time.Hour), OnExpire: devv1.ExpireSuspend,
		DeleteAfterSuspended: lasting(240 * time.Hour), Activity: &devv1.ActivityThresholds{CPUMillis: 500, GPUPercent: 10},
	}
	defaults := Defaults{TimeToLive: 200 * time.Hour, IdleTimeout: 100 * time.Hour}
	theirs.TerminationGracePeriodSeconds = 90
	for name, test := range map[string]struct {
		own, theirs *devv1.LifecycleSpec
		within      *devv1.LifecycleBounds
		defaults    Defaults
		want        Policy
	}{
		"nothing is set": {want: Policy{OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual}},
		"the operator's": {defaults: defaults, want: Policy{TimeToLive: 200 * time.Hour, IdleTimeout: 100 * time.Hour, OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual}},
		"the flavor's before the operator's": {theirs: theirs, defaults: defaults, want: Policy{
			TimeToLive: 20 * time.Hour, IdleTimeout: 10 * time.Hour, OnExpire: devv1.ExpireSuspend, DeleteAfter: 240 * time.Hour,
			GraceSeconds: 90, Thresholds: agentapi.Thresholds{CPUMillis: 500, GPUPercent: 10, SSHBytes: agentapi.DefaultSSHBytes},
		}},
		"the server's own before the flavor's": {own: own, theirs: theirs, defaults: defaults, want: Policy{
			TimeToLive: 2 * time.Hour, IdleTimeout: time.Hour, OnExpire: devv1.ExpireDelete, DeleteAfter: 24 * time.Hour,
			GraceSeconds: 90, Thresholds: agentapi.Thresholds{CPUMillis: 500, GPUPercent: 5, SSHBytes: agentapi.DefaultSSHBytes},
		}},
		"each setting by itself": {own: &devv1.LifecycleSpec{IdleTimeout: lasting(time.Hour)}, defaults: defaults, want: Policy{
			TimeToLive: 200 * time.Hour, IdleTimeout: time.Hour, OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual,
		}},
		"a maximum also bounds what is not set": {
			within: &devv1.LifecycleBounds{TimeToLive: bounds(0, 8*time.Hour), IdleTimeout: bounds(0, time.Hour), MaxKeep: lasting(3 * time.Hour)},
			want:   Policy{TimeToLive: 8 * time.Hour, MaxTimeToLive: 8 * time.Hour, IdleTimeout: time.Hour, MaxKeepAwake: 3 * time.Hour, OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual},
		},
		"a minimum does not": {
			within: &devv1.LifecycleBounds{TimeToLive: bounds(8*time.Hour, 0), IdleTimeout: bounds(time.Hour, 0)},
			want:   Policy{OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual},
		},
		"bounds of the deletion and of thresholds, also for defaults": {
			theirs: &devv1.LifecycleSpec{DeleteAfterSuspended: lasting(24 * time.Hour), Activity: &devv1.ActivityThresholds{SSHBytes: 1}},
			within: &devv1.LifecycleBounds{DeleteAfterSuspended: bounds(48*time.Hour, 0), Activity: &devv1.ActivityBounds{
				CPUMillis: &devv1.ThresholdBounds{Max: 50}, GPUPercent: &devv1.ThresholdBounds{Min: 5}, SSHBytes: &devv1.ThresholdBounds{Min: 1000, Max: 2000},
			}},
			want: Policy{OnExpire: devv1.ExpireSuspend, DeleteAfter: 48 * time.Hour, GraceSeconds: defaultGrace, Thresholds: agentapi.Thresholds{CPUMillis: 50, GPUPercent: 5, SSHBytes: 1000}},
		},
		"a maximum of deleteAfterSuspended also bounds what is not set": {
			within: &devv1.LifecycleBounds{DeleteAfterSuspended: bounds(0, 720*time.Hour)},
			want:   Policy{OnExpire: devv1.ExpireSuspend, DeleteAfter: 720 * time.Hour, GraceSeconds: defaultGrace, Thresholds: usual},
		},
		"bounds of the operator's defaults": {
			defaults: defaults, within: &devv1.LifecycleBounds{TimeToLive: bounds(300*time.Hour, 0), IdleTimeout: bounds(0, time.Hour)},
			want: Policy{TimeToLive: 300 * time.Hour, IdleTimeout: time.Hour, OnExpire: devv1.ExpireSuspend, GraceSeconds: defaultGrace, Thresholds: usual},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, violation := Resolve(server(test.own), flavor(test.theirs, test.within), test.defaults)
			if violation != nil {
				t.Error(violation.Message)
			}
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(Timetable{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Without its flavor, a server has only its own lifecycle: if the flavor is created
// again, with longer limits, no server has been stopped by the operator's defaults.
func TestResolveWithoutFlavor(t *testing.T) {
	got, violation := Resolve(server(&devv1.LifecycleSpec{IdleTimeout: lasting(time.Hour)}), nil, Defaults{TimeToLive: 9 * time.Hour})
	if violation != nil || got.IdleTimeout != time.Hour || got.TimeToLive != 0 {
		t.Errorf("got %+v, %v", got, violation)
	}
}

func TestViolations(t *testing.T) {
	within := &devv1.LifecycleBounds{
		TimeToLive: bounds(time.Hour, 8*time.Hour), IdleTimeout: bounds(30*time.Minute, 2*time.Hour), DeleteAfterSuspended: bounds(48*time.Hour, 0),
		Activity: &devv1.ActivityBounds{CPUMillis: &devv1.ThresholdBounds{Min: 50}, GPUPercent: &devv1.ThresholdBounds{Max: 100}},
	}
	for name, test := range map[string]struct {
		own, theirs *devv1.LifecycleSpec
		want        Violation
		ttl, idle   time.Duration
	}{
		"too long": {
			own:  &devv1.LifecycleSpec{TimeToLive: lasting(9 * time.Hour)},
			want: Violation{devv1.ReasonLifecycleNotAllowed, "spec.lifecycle.timeToLive is 9h: DevServerFlavor gpu allows no more than 8h."},
			ttl:  8 * time.Hour, idle: 2 * time.Hour,
		},
		"too short": {
			own:  &devv1.LifecycleSpec{IdleTimeout: lasting(90 * time.Second)},
			want: Violation{devv1.ReasonLifecycleNotAllowed, "spec.lifecycle.idleTimeout is 1m30s: DevServerFlavor gpu allows no less than 30m."},
			ttl:  8 * time.Hour, idle: 30 * time.Minute,
		},
		"deleted too soon": {
			own:  &devv1.LifecycleSpec{DeleteAfterSuspended: lasting(time.Hour)},
			want: Violation{devv1.ReasonLifecycleNotAllowed, "spec.lifecycle.deleteAfterSuspended is 1h: DevServerFlavor gpu allows no less than 48h."},
			ttl:  8 * time.Hour, idle: 2 * time.Hour,
		},
		"a threshold too low": {
			own:  &devv1.LifecycleSpec{Activity: &devv1.ActivityThresholds{CPUMillis: 1}},
			want: Violation{devv1.ReasonLifecycleNotAllowed, "spec.lifecycle.activity.cpuMillis is 1: DevServerFlavor gpu allows no less than 50."},
			ttl:  8 * time.Hour, idle: 2 * time.Hour,
		},
		"a threshold too high": {
			own:  &devv1.LifecycleSpec{Activity: &devv1.ActivityThresholds{CPUMillis: 50, GPUPercent: 101}},
			want: Violation{devv1.ReasonLifecycleNotAllowed, "spec.lifecycle.activity.gpuPercent is 101: DevServerFlavor gpu allows no more than 100."},
			ttl:  8 * time.Hour, idle: 2 * time.Hour,
		},
		"the server's own schedule": {
			own:  &devv1.LifecycleSpec{Schedule: &devv1.Schedule{Stop: "0 20 * *"}},
			want: Violation{devv1.ReasonInvalidSchedule, `spec.lifecycle.schedule: stop "0 20 * *" must have five fields for minute, hour, day of the month, month and day of the week, such as 0 20 * * 1-5.`},
			ttl:  8 * time.Hour, idle: 2 * time.Hour,
		},
		"the flavor's schedule": {
			theirs: &devv1.LifecycleSpec{Schedule: &devv1.Schedule{Stop: "0 20 * * *", TimeZone: "Moon"}},
			want: Violation{
				devv1.ReasonInvalidFlavor,
				`spec.lifecycle.schedule of DevServerFlavor gpu: timeZone "Moon" is not one of the IANA time zones, such as Europe/Berlin. The server starts, or applies changes, once the flavor is fixed.`,
			},
			ttl: 8 * time.Hour, idle: 2 * time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, violation := Resolve(server(test.own), flavor(test.theirs, within), Defaults{})
			if diff := cmp.Diff(&test.want, violation); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if got.TimeToLive != test.ttl || got.IdleTimeout != test.idle || got.Schedule.stop != nil {
				t.Errorf("the policy meanwhile is %+v", got)
			}
		})
	}
}

// A server's own schedule replaces the flavor's as a whole.
func TestOwnScheduleReplacesFlavors(t *testing.T) {
	theirs := &devv1.LifecycleSpec{Schedule: &devv1.Schedule{Start: "0 8 * * *", Stop: "0 20 * * *"}}
	p, _ := Resolve(server(&devv1.LifecycleSpec{Schedule: &devv1.Schedule{Stop: "0 22 * * *"}}), flavor(theirs, nil), Defaults{})
	if got := next(p.Schedule.stop, noon); p.Schedule.start != nil || !got.Equal(in(10*time.Hour)) || !p.TracksActivity() {
		t.Errorf("stops at %s, starts by %v", got, p.Schedule.start)
	}
	if p, _ := Resolve(server(nil), flavor(theirs, nil), Defaults{}); p.Schedule.start == nil {
		t.Error("the flavor's schedule is not used")
	}
}

func TestPaces(t *testing.T) {
	for timeout, want := range map[time.Duration][3]time.Duration{
		0:                {10 * time.Minute, 5 * time.Minute, time.Minute},
		time.Minute:      {30 * time.Second, 20 * time.Second, 10 * time.Second},
		6 * time.Minute:  {3 * time.Minute, 2 * time.Minute, time.Minute},
		2 * time.Hour:    {10 * time.Minute, 5 * time.Minute, time.Minute},
		10 * time.Second: {5 * time.Second, 10 * time.Second / 3, 5 * time.Second},
	} {
		p := Policy{IdleTimeout: timeout}
		if got := [3]time.Duration{p.IdleAfter(), p.RenewEvery(), p.PollEvery()}; got != want {
			t.Errorf("an idle timeout of %s: got %s, want %s", timeout, got, want)
		}
	}
}

func TestKeptAwakeUntil(t *testing.T) {
	for name, test := range map[string]struct {
		p         Policy
		lease     lease.Lease
		startedAt time.Time
		want      time.Time
	}{
		"not kept awake":            {p: Policy{TimeToLive: time.Hour}, startedAt: ago(30 * time.Minute)},
		"kept awake":                {lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, startedAt: ago(2 * time.Hour), want: in(2 * time.Hour)},
		"beyond maxKeep":            {p: Policy{MaxKeepAwake: 90 * time.Minute}, lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, startedAt: ago(2 * time.Hour), want: in(30 * time.Minute)},
		"defers the expiry":         {p: Policy{TimeToLive: 2 * time.Hour}, lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, startedAt: ago(2 * time.Hour), want: in(2 * time.Hour)},
		"beyond maxTimeToLive":      {p: Policy{TimeToLive: 2 * time.Hour, MaxTimeToLive: 3 * time.Hour}, lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, startedAt: ago(2 * time.Hour), want: in(time.Hour)},
		"ends before the expiry":    {p: Policy{TimeToLive: 9 * time.Hour}, lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, startedAt: ago(2 * time.Hour), want: in(2 * time.Hour)},
		"of a server without a pod": {p: Policy{TimeToLive: 2 * time.Hour, MaxTimeToLive: 3 * time.Hour}, lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 3 * time.Hour}, want: in(2 * time.Hour)},
		"from the future":           {lease: lease.Lease{KeepAwakeFrom: in(3 * time.Hour), KeepAwakeFor: time.Hour}, startedAt: ago(time.Hour)},
	} {
		if got := test.p.KeptAwakeUntil(test.lease, test.startedAt, noon); !got.Equal(test.want) {
			t.Errorf("%s: until %s, want %s", name, got, test.want)
		}
	}
}

func TestExpiry(t *testing.T) {
	for name, test := range map[string]struct {
		p                         Policy
		startedAt, keptAwakeUntil time.Time
		want                      time.Time
	}{
		"no time to live":      {startedAt: ago(time.Hour), keptAwakeUntil: in(time.Hour)},
		"not started":          {p: Policy{TimeToLive: time.Hour}},
		"time to live":         {p: Policy{TimeToLive: 2 * time.Hour}, startedAt: ago(time.Hour), want: in(time.Hour)},
		"kept awake for less":  {p: Policy{TimeToLive: 2 * time.Hour}, startedAt: ago(time.Hour), keptAwakeUntil: in(time.Minute), want: in(time.Hour)},
		"deferred":             {p: Policy{TimeToLive: 2 * time.Hour}, startedAt: ago(time.Hour), keptAwakeUntil: in(5 * time.Hour), want: in(5 * time.Hour)},
		"deferred to the most": {p: Policy{TimeToLive: 2 * time.Hour, MaxTimeToLive: 4 * time.Hour}, startedAt: ago(time.Hour), keptAwakeUntil: in(5 * time.Hour), want: in(3 * time.Hour)},
	} {
		if got := test.p.Expiry(test.startedAt, test.keptAwakeUntil); !got.Equal(test.want) {
			t.Errorf("%s: expires at %s, want %s", name, got, test.want)
		}
	}
}

func TestHomeSizeRefused(t *testing.T) {
	quantity := func(text string) *resource.Quantity { return new(resource.MustParse(text)) }
	gpu := flavor(nil, nil)
	if got := HomeSizeRefused(*quantity("1Ti"), gpu); got != "" {
		t.Errorf("without bounds: %s", got)
	}
	gpu.Spec.HomeSize = &devv1.SizeBounds{Min: quantity("1Gi"), Max: quantity("10Gi")}
	for size, want := range map[string]string{
		"1Gi":   "",
		"10Gi":  "",
		"512Mi": "spec.persistentHomeSize is 512Mi: DevServerFlavor gpu allows no less than 1Gi.",
		"11Gi":  "spec.persistentHomeSize is 11Gi: DevServerFlavor gpu allows no more than 10Gi.",
	} {
		if got := HomeSizeRefused(*quantity(size), gpu); got != want {
			t.Errorf("%s: got %q, want %q", size, got, want)
		}
	}
}

func TestWarnings(t *testing.T) {
	for span, want := range map[time.Duration][]time.Time{
		2 * time.Hour:    {ago(15 * time.Minute), ago(5 * time.Minute)},
		30 * time.Minute: {ago(15 * time.Minute), ago(5 * time.Minute)},
		20 * time.Minute: {ago(5 * time.Minute)},
		4 * time.Minute:  {ago(2 * time.Minute)},
	} {
		if diff := cmp.Diff(want, Warnings(noon, span)); diff != "" {
			t.Errorf("foreseeable for %s: -want +got:\n%s", span, diff)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		72 * time.Hour: "72h", 90 * time.Minute: "1h30m", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Second: "10s",
		10 * time.Hour: "10h", 10 * time.Minute: "10m", time.Hour + 10*time.Second: "1h0m10s", 0: "0s",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
