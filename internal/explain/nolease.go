package explain

import (
	"k8s.io/apimachinery/pkg/api/meta"

	devserverv1 "devserver.io/devserver/api/v1"
)

// NoLease says why a DevServer has no Lease, which is what keeps it awake.
func NoLease(ds *devserverv1.DevServer) string {
	active := meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionActive)
	switch {
	case active != nil && active.Reason == devserverv1.ReasonObjectConflict:
		return "a Lease with its name belongs to something else"
	case active != nil || ds.Status.ExpiresAt != nil:
		return "its Lease does not exist; the operator creates it again within minutes"
	case ds.Status.Phase == devserverv1.PhaseRunning:
		return "it has no idle timeout, schedule or time to live, so nothing suspends it"
	}
	return "it has not run yet with an idle timeout, a schedule or a time to live; its Lease is created when it does"
}
