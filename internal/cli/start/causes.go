package start

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/lease"
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
// wake, and why it was suspended. A later restartedAt wakes it too.
func wake(object *coordinationv1.Lease, ds *devserverv1.DevServer, now time.Time) (fields map[string]any, undone []string) {
	l := lease.Of(object)
	s := l.Suspension
	if s == nil || s.Ended(l.RenewTime, timeOf(ds.Spec.RestartedAt)) || (isExpired(ds) && cluster.RestartAt(ds.Status.Expired.RestartedAt, now).After(s.RestartedAt)) {
		return nil, nil
	}
	cause := "suspended for being idle"
	if s.Cause == devserverv1.ReasonScheduled {
		cause = "suspended by its schedule"
	}
	return lease.Wake(l, now), []string{cause}
}

func timeOf(t *metav1.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
