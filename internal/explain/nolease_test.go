package explain

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

func TestNoLease(t *testing.T) {
	active := func(reason string) []metav1.Condition {
		return []metav1.Condition{{Type: devserverv1.ConditionActive, Reason: reason}}
	}
	for want, status := range map[string]devserverv1.DevServerStatus{
		"a Lease with its name belongs to something else":                                                          {Phase: devserverv1.PhaseRunning, Conditions: active(devserverv1.ReasonObjectConflict)},
		"its Lease does not exist; the operator creates it again within minutes":                                   {Phase: devserverv1.PhaseRunning, Conditions: active(devserverv1.ReasonActive)},
		"it has no idle timeout, schedule or time to live, so nothing suspends it":                                 {Phase: devserverv1.PhaseRunning},
		"it has not run yet with an idle timeout, a schedule or a time to live; its Lease is created when it does": {Phase: devserverv1.PhaseSuspended},
	} {
		if got := NoLease(&devserverv1.DevServer{Status: status}); got != want {
			t.Errorf("%+v: %q, want %q", status, got, want)
		}
	}
}
