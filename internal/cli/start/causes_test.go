package start

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
)

var now = time.Date(2026, time.January, 30, 12, 0, 0, 123456789, time.UTC)

// at is this long after now, in whole seconds, as the API has it.
func at(after time.Duration) *metav1.Time {
	return &metav1.Time{Time: now.Truncate(time.Second).Add(after)}
}

// printed is the fields as they are sent; empty for none.
func printed(t *testing.T, fields map[string]any) string {
	t.Helper()
	if len(fields) == 0 {
		return ""
	}
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRestart(t *testing.T) {
	expired := func(restartedAt *metav1.Time) *devserverv1.ExpiredStatus {
		return &devserverv1.ExpiredStatus{Time: at(-time.Hour), RestartedAt: restartedAt}
	}
	cases := map[string]struct {
		reason      string
		suspend     bool
		restartedAt *metav1.Time
		expired     *devserverv1.ExpiredStatus
		want        string
		undone      []string
	}{
		"Runs":      {reason: "it runs, and a restart would end its processes"},
		"Suspended": {reason: "its owner's wish", suspend: true, want: `{"suspend":false}`, undone: []string{"suspended"}},
		"Expired":   {reason: "now is later than never", expired: expired(nil), want: `{"restartedAt":"2026-01-30T12:00:00Z"}`, undone: []string{"expired"}},
		"ExpiredAfterARestart": {
			reason: "now is later", restartedAt: at(-time.Hour), expired: expired(at(-time.Hour)),
			want: `{"restartedAt":"2026-01-30T12:00:00Z"}`, undone: []string{"expired"},
		},
		"ExpiredInThisSecond": {
			reason: "the same second would start nothing", restartedAt: at(0), expired: expired(at(0)),
			want: `{"restartedAt":"2026-01-30T12:00:01Z"}`, undone: []string{"expired"},
		},
		"RestartedInTheFuture": {
			reason: "only a later time counts", restartedAt: at(time.Hour), expired: expired(at(time.Hour)),
			want: `{"restartedAt":"2026-01-30T13:00:01Z"}`, undone: []string{"expired"},
		},
		"StartedByOthers": {reason: "another one would restart it", restartedAt: at(-time.Second), expired: expired(at(-time.Hour))},
		"Both": {
			reason: "all at once", suspend: true, expired: expired(nil),
			want: `{"restartedAt":"2026-01-30T12:00:00Z","suspend":false}`, undone: []string{"suspended", "expired"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := &devserverv1.DevServer{}
			ds.Spec.Suspend, ds.Spec.RestartedAt, ds.Status.Expired = tc.suspend, tc.restartedAt, tc.expired
			fields, undone := restart(ds, now)
			if got := printed(t, fields); got != tc.want {
				t.Errorf("%s: fields %s, want %s", tc.reason, got, tc.want)
			}
			if diff := cmp.Diff(tc.undone, undone); diff != "" {
				t.Errorf("%s: undone (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestWake(t *testing.T) {
	micro := now.Truncate(time.Microsecond)
	suspension := func(cause string, renewed time.Time) string {
		return lease.Suspension{Cause: cause, At: now, RenewTime: renewed, RestartedAt: at(-time.Hour).Time}.Text()
	}
	cases := map[string]struct {
		reason      string
		suspension  string
		renewed     time.Time
		restartedAt *metav1.Time
		expired     bool
		want        string
		undone      []string
	}{
		"NotSuspended": {reason: "a Lease without a suspension is left alone", renewed: micro},
		"Idle": {
			reason: "another renewTime wakes", suspension: suspension(devserverv1.ReasonIdle, micro.Add(-time.Hour)), renewed: micro.Add(-time.Hour),
			want: `{"renewTime":"2026-01-30T12:00:00.123456Z"}`, undone: []string{"suspended for being idle"},
		},
		"NeverRenewed": {
			reason: "any renewTime is another one", suspension: suspension(devserverv1.ReasonScheduled, time.Time{}),
			want: `{"renewTime":"2026-01-30T12:00:00.123456Z"}`, undone: []string{"suspended by its schedule"},
		},
		"RenewedInThisMicrosecond": {
			reason: "the same renewTime would not wake", suspension: suspension(devserverv1.ReasonIdle, micro), renewed: micro,
			want: `{"renewTime":"2026-01-30T12:00:00.123457Z"}`, undone: []string{"suspended for being idle"},
		},
		"RenewedAhead": {
			reason: "clocks differ", suspension: suspension(devserverv1.ReasonIdle, micro.Add(time.Hour)), renewed: micro.Add(time.Hour),
			want: `{"renewTime":"2026-01-30T12:00:00.123456Z"}`, undone: []string{"suspended for being idle"},
		},
		"WokenByOthers":   {reason: "once is enough", suspension: suspension(devserverv1.ReasonIdle, micro.Add(-time.Hour)), renewed: micro},
		"WokenByARestart": {reason: "once is enough", suspension: suspension(devserverv1.ReasonIdle, micro), renewed: micro, restartedAt: at(0)},
		"Expired":         {reason: "the restart that this takes wakes too", suspension: suspension(devserverv1.ReasonIdle, micro), renewed: micro, expired: true},
		"Unreadable":      {reason: "the operator ignores it", suspension: "{", renewed: micro},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds, object := &devserverv1.DevServer{}, &coordinationv1.Lease{}
			if ds.Spec.RestartedAt = tc.restartedAt; tc.expired {
				ds.Status.Expired = &devserverv1.ExpiredStatus{}
			}
			if object.Annotations = map[string]string{lease.AnnotationSuspension: tc.suspension}; !tc.renewed.IsZero() {
				object.Spec.RenewTime = &metav1.MicroTime{Time: tc.renewed}
			}
			fields, undone := wake(object, ds, now)
			if got := printed(t, fields); got != tc.want {
				t.Errorf("%s: fields %s, want %s", tc.reason, got, tc.want)
			}
			if diff := cmp.Diff(tc.undone, undone); diff != "" {
				t.Errorf("%s: undone (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
