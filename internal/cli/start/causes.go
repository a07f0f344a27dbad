package start

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/lease"
)

// restart returns the fields of the DevServer that have to change for it to start,
// and why it was suspended.
func restart(ds *devserverv1.DevServer, now time.Time) (fields map[string]any, causes []string) {
	fields = map[string]any{}
	if ds.Spec.Suspend {
		fields["suspend"] = false
		causes = append(causes, "suspended")
	}
	if isExpired(ds) {
		fields["restartedAt"] = cluster.RestartAt(ds.Status.Expired.RestartedAt, now)
		causes = append(causes, "expired")
	}
	return fields, causes
}

// isExpired tells whether the DevServer's time to live is over and the server has not
// been started since. Restarting a running server would end its processes.
func isExpired(ds *devserverv1.DevServer) bool {
	expired := ds.Status.Expired
	return expired != nil && !ptr.Deref(ds.Spec.RestartedAt, metav1.Time{}).After(ptr.Deref(expired.RestartedAt, metav1.Time{}).Time)
}

// wake returns the fields of the DevServer's Lease that have to change for it to
// resume, and why it was suspended. A later restartedAt resumes it too.
func wake(object *coordinationv1.Lease, ds *devserverv1.DevServer, now time.Time) (fields map[string]any, causes []string) {
	l := lease.Of(object)
	s := l.Suspension
	if s == nil || s.Ended(l.RenewTime, ptr.Deref(ds.Spec.RestartedAt, metav1.Time{}).Time) || (isExpired(ds) && cluster.RestartAt(ds.Status.Expired.RestartedAt, now).After(s.RestartedAt)) {
		return nil, nil
	}
	cause := "suspended for being idle"
	if s.Cause == devserverv1.ReasonScheduled {
		cause = "suspended by its schedule"
	}
	return lease.Wake(l, now), []string{cause}
}
