package lease_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
)

var noon = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }
func in(d time.Duration) time.Time  { return noon.Add(d) }

func TestOf(t *testing.T) {
	suspension := lease.Suspension{Cause: devv1.ReasonIdle, At: noon, RenewTime: ago(time.Hour)}
	for name, test := range map[string]struct {
		object *coordinationv1.Lease
		want   lease.Lease
	}{
		"no Lease":       {nil, lease.Lease{}},
		"an empty Lease": {&coordinationv1.Lease{}, lease.Lease{}},
		"renewed":        {&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{RenewTime: new(metav1.NewMicroTime(noon))}}, lease.Lease{RenewTime: noon}},
		"kept awake": {
			&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{AcquireTime: new(metav1.NewMicroTime(noon)), LeaseDurationSeconds: new(int32(3600))}},
			lease.Lease{KeepAwakeFrom: noon, KeepAwakeFor: time.Hour},
		},
		"a duration alone": {&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{LeaseDurationSeconds: new(int32(3600))}}, lease.Lease{}},
		"a start alone":    {&coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{AcquireTime: new(metav1.NewMicroTime(noon))}}, lease.Lease{}},
		"suspended": {
			&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{lease.AnnotationSuspension: suspension.Text()}}},
			lease.Lease{Suspension: &suspension},
		},
	} {
		if diff := cmp.Diff(test.want, lease.Of(test.object)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestKeptAwakeUntil(t *testing.T) {
	for name, test := range map[string]struct {
		from    time.Time
		length  time.Duration
		longest time.Duration
		want    time.Time
	}{
		"not kept awake":            {},
		"kept awake":                {from: ago(time.Hour), length: 3 * time.Hour, want: in(2 * time.Hour)},
		"until a past time":         {from: ago(3 * time.Hour), length: time.Hour, want: ago(2 * time.Hour)},
		"no longer than allowed":    {from: ago(time.Hour), length: 3 * time.Hour, longest: 2 * time.Hour, want: in(time.Hour)},
		"shorter than allowed":      {from: ago(time.Hour), length: 3 * time.Hour, longest: 9 * time.Hour, want: in(2 * time.Hour)},
		"no time":                   {from: noon, length: 0},
		"a negative time":           {from: noon, length: -time.Hour},
		"by a clock ahead":          {from: in(lease.Skew), length: time.Hour, want: in(lease.Skew + time.Hour)},
		"further ahead than clocks": {from: in(lease.Skew + time.Second), length: time.Hour},
	} {
		l := lease.Lease{KeepAwakeFrom: test.from, KeepAwakeFor: test.length}
		if got := l.KeptAwakeUntil(test.longest, noon); !got.Equal(test.want) {
			t.Errorf("%s: until %s, want %s", name, got, test.want)
		}
	}
}

// What KeepAwake writes, Of reads.
func TestKeepAwake(t *testing.T) {
	for length, want := range map[time.Duration]int32{
		90 * time.Minute:           5400,
		time.Minute + 900*1e6:      60,
		200 * 365 * 24 * time.Hour: math.MaxInt32,
	} {
		fields := lease.KeepAwake(noon, length)
		if got := fields["leaseDurationSeconds"]; got != want {
			t.Errorf("for %s: leaseDurationSeconds is %v, want %d", length, got, want)
		}
		if got, ok := fields["acquireTime"].(metav1.MicroTime); !ok || !got.Time.Equal(noon) {
			t.Errorf("for %s: acquireTime is %v, want %s", length, fields["acquireTime"], noon)
		}
		if len(fields) != 2 {
			t.Errorf("for %s: other fields are written, too: %v", length, fields)
		}
	}
	if diff := cmp.Diff(map[string]any{"acquireTime": nil, "leaseDurationSeconds": nil}, lease.EndKeepAwake()); diff != "" {
		t.Errorf("the fields that end it: -want +got:\n%s", diff)
	}
}

// Only another renewTime wakes a server.
func TestWake(t *testing.T) {
	for name, test := range map[string]struct {
		renewed, want time.Time
	}{
		"no Lease":                    {time.Time{}, noon},
		"renewed earlier":             {ago(time.Hour), noon},
		"renewed by a clock ahead":    {in(time.Hour), noon},
		"renewed at the same time":    {noon, noon.Add(time.Microsecond)},
		"renewed in this microsecond": {noon.Add(900), noon.Add(time.Microsecond)},
	} {
		fields := lease.Wake(lease.Lease{RenewTime: test.renewed}, noon)
		got, ok := fields["renewTime"].(metav1.MicroTime)
		if !ok || !got.Time.Equal(test.want) || len(fields) != 1 {
			t.Errorf("%s: writes %v, want the renewTime %s", name, fields, test.want)
		}
		suspension := lease.Suspension{RenewTime: test.renewed}
		if !suspension.Ended(got.Time, time.Time{}) {
			t.Errorf("%s: renewing to %s does not wake the server", name, got)
		}
	}
}

func TestSuspensionRoundTrip(t *testing.T) {
	for name, s := range map[string]lease.Suspension{
		"idle":            {Cause: devv1.ReasonIdle, At: noon, RenewTime: ago(time.Hour), RestartedAt: ago(2 * time.Hour)},
		"by schedule":     {Cause: devv1.ReasonScheduled, At: noon},
		"could not run":   {Cause: devv1.ReasonIdle, At: noon, StartFailure: devv1.ReasonImagePullFailed},
		"in microseconds": {Cause: devv1.ReasonIdle, At: noon.Add(123456 * time.Microsecond)},
	} {
		if diff := cmp.Diff(&s, lease.ParseSuspension(s.Text())); diff != "" {
			t.Errorf("%s: -written +read:\n%s", name, diff)
		}
	}
	// The API keeps microseconds, in UTC.
	s := lease.Suspension{Cause: devv1.ReasonIdle, At: noon.Add(1234567).In(time.FixedZone("east", 3600))}
	if read := lease.ParseSuspension(s.Text()); read.At != noon.Add(1234000) {
		t.Errorf("%s is read as %s", s.At, read.At)
	}
}

// The annotation is an interface: an operator of another version reads it.
func TestSuspensionText(t *testing.T) {
	s := lease.Suspension{Cause: devv1.ReasonIdle, At: noon, RenewTime: ago(time.Hour), RestartedAt: ago(2 * time.Hour), StartFailure: "CrashLoop"}
	const want = `{"cause":"Idle","at":"2026-01-30T12:00:00Z","renewTime":"2026-01-30T11:00:00Z","restartedAt":"2026-01-30T10:00:00Z","hindered":"CrashLoop"}`
	if got := s.Text(); got != want || lease.AnnotationSuspension != "devserver.io/asleep" {
		t.Errorf("the annotation %s is %s, want %s", lease.AnnotationSuspension, got, want)
	}
	for _, text := range []string{"", "{", "{}", `{"cause":1}`, "Idle", `{"cause":"Expired","at":"2026-01-30T12:00:00Z"}`} {
		if s := lease.ParseSuspension(text); s != nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}

func TestEnded(t *testing.T) {
	s := lease.Suspension{Cause: devv1.ReasonIdle, At: noon, RenewTime: ago(time.Hour), RestartedAt: ago(2 * time.Hour)}
	for name, test := range map[string]struct {
		renewed, restarted time.Time
		want               bool
	}{
		"nothing changed":           {ago(time.Hour), ago(2 * time.Hour), false},
		"rounded by the API":        {ago(time.Hour).Add(900), ago(2 * time.Hour), false},
		"renewed":                   {noon, ago(2 * time.Hour), true},
		"renewed by a clock behind": {ago(9 * time.Hour), ago(2 * time.Hour), true},
		"restarted":                 {ago(time.Hour), ago(time.Hour), true},
		"restartedAt set back":      {ago(time.Hour), ago(9 * time.Hour), false},
		"restartedAt removed":       {ago(time.Hour), time.Time{}, false},
		"the Lease was deleted":     {time.Time{}, ago(2 * time.Hour), true},
	} {
		if got := s.Ended(test.renewed, test.restarted); got != test.want {
			t.Errorf("%s: ended is %t, want %t", name, got, test.want)
		}
	}
}
