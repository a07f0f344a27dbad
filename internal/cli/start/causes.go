package start

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// restart gives the fields of the DevServer that have to change for it to
// start, and what it slept for.
func restart(ds *devserverv1.DevServer, now time.Time) (fields map[string]any, undone []string) {
	fields = map[string]any{}
	if ds.Spec.Suspend {
		fields["suspend"] = false
		undone = append(undone, "suspended")
	}
	if isExpired(ds) {
		fields["restartedAt"] = cluster.RestartAt(ds.Status.Expired.RestartedAt, now)
		undone = append(undone, "expired")
	}
	return fields, undone
}

// isExpired tells whether the DevServer's time to live is over and nobody has
// started it since. A restart of one that runs would end what runs in it.
func isExpired(ds *devserverv1.DevServer) bool {
	expired := ds.Status.Expired
	return expired != nil && !timeOf(ds.Spec.RestartedAt).After(timeOf(expired.RestartedAt))
}

// wake gives the fields of the DevServer's Lease that have to change for it to
// wake, and what it slept for. A later restartedAt wakes it too.
func wake(lease *coordinationv1.Lease, ds *devserverv1.DevServer, now time.Time) (fields map[string]any, undone []string) {
	mark := lifecycle.ParseMark(lease.Annotations[lifecycle.AnnotationMark])
	var renewed time.Time
	if lease.Spec.RenewTime != nil {
		renewed = lease.Spec.RenewTime.Time
	}
	if mark == nil || mark.Woken(renewed, timeOf(ds.Spec.RestartedAt)) || isExpired(ds) && cluster.RestartAt(ds.Status.Expired.RestartedAt, now).After(mark.RestartedAt) {
		return nil, nil
	}
	at := now.UTC().Truncate(time.Microsecond)
	if at.Equal(renewed) {
		at = at.Add(time.Microsecond) // Only another value wakes.
	}
	cause := "asleep for want of work"
	if mark.Cause == lifecycle.CauseScheduled {
		cause = "asleep by its schedule"
	}
	return map[string]any{"renewTime": metav1.NewMicroTime(at)}, []string{cause}
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
