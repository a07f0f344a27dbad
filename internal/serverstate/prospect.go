// Package serverstate says what is to be expected of a DevServer by who waits for
// it: whether it runs, sleeps, is on its way or waits in vain. It is pure.
package serverstate

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

// onTheWay are reasons of a server that goes its way.
var onTheWay = []string{devserverv1.ReasonStarting, devserverv1.ReasonRestarting, devserverv1.ReasonEvicted}

// startedAgain are the reasons of a Failed server that is being started again.
var startedAgain = []string{devserverv1.ReasonPodFailed, devserverv1.ReasonOOMKilled, devserverv1.ReasonVolumeFailed, devserverv1.ReasonEvicted}

// final are those of a Pending server that do not go away until somebody edits
// or removes something.
var final = []string{
	devserverv1.ReasonInvalidKey,
	devserverv1.ReasonHomeConflict,
	devserverv1.ReasonObjectConflict,
	devserverv1.ReasonClaimInUse,
	devserverv1.ReasonVolumeConflict,
	devserverv1.ReasonImageNotAllowed,
	devserverv1.ReasonHomeSizeNotAllowed,
	devserverv1.ReasonLifecycleNotAllowed,
	devserverv1.ReasonInvalidSchedule,
	devserverv1.ReasonInvalidFlavor,
	devserverv1.ReasonAdmissionRefused,
	devserverv1.ReasonRefused,
}

// Ready is the server's Ready condition; nil where there is none.
func Ready(ds *devserverv1.DevServer) *metav1.Condition {
	if ds == nil {
		return nil
	}
	return meta.FindStatusCondition(ds.Status.Conditions, devserverv1.ConditionReady)
}

// IsCurrent tells whether the status is about the latest edit.
func IsCurrent(ds *devserverv1.DevServer) bool {
	return ds != nil && ds.Status.ObservedGeneration >= ds.Generation
}

// IsRunning tells whether one can log in, to the server as it is asked for now.
func IsRunning(ds *devserverv1.DevServer) bool {
	return IsCurrent(ds) && ds.Status.Phase == devserverv1.PhaseRunning
}

// IsAsleep tells of a phase that does not end by waiting.
func IsAsleep(ds *devserverv1.DevServer) bool {
	switch ds.Status.Phase {
	case devserverv1.PhaseSuspending, devserverv1.PhaseSuspended, devserverv1.PhaseExpired:
		return true
	}
	return false
}

// Wakes tells whether the server sleeps for want of work or by its schedule,
// so that a new renewTime of its Lease wakes it.
func Wakes(ds *devserverv1.DevServer) bool {
	c := Ready(ds)
	return c != nil && (c.Reason == devserverv1.ReasonIdle || c.Reason == devserverv1.ReasonScheduled)
}

// OnTheWay tells of the reason of a server that goes its way.
func OnTheWay(reason string) bool { return slices.Contains(onTheWay, reason) }

// Hindrance is the condition that says what is in the way of a server that does
// not run; nil where it is on its way, or nothing is known yet.
func Hindrance(ds *devserverv1.DevServer) *metav1.Condition {
	c := Ready(ds)
	if c == nil || c.Status != metav1.ConditionFalse || !IsCurrent(ds) || OnTheWay(c.Reason) {
		return nil
	}
	return c
}

// InVain says why waiting any longer makes no sense, if so. A flavor or claim
// that is missing may still come, a pod that was evicted is made again.
func InVain(ds *devserverv1.DevServer) (cause string, so bool) {
	if !ds.DeletionTimestamp.IsZero() {
		return "it is being deleted", true
	}
	c := Ready(ds)
	switch {
	case c == nil || !IsCurrent(ds):
		return "", false
	case IsAsleep(ds):
		return c.Message, true // Nobody wakes it by waiting.
	}
	so = ds.Status.Phase == devserverv1.PhasePending && slices.Contains(final, c.Reason) ||
		ds.Status.Phase == devserverv1.PhaseFailed && !slices.Contains(startedAgain, c.Reason)
	return c.Reason + ": " + c.Message, so
}
