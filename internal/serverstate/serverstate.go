// Package serverstate interprets the status of a DevServer for a program that waits
// for it: whether it runs, is suspended, makes progress, or is stuck. It is pure.
package serverstate

import (
	"regexp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
)

// progressing are the reasons of a server that starts by itself.
var progressing = []string{devserverv1.ReasonStarting, devserverv1.ReasonRestarting, devserverv1.ReasonEvicted}

// restarting are the reasons of a Failed server that is started again by itself.
var restarting = []string{devserverv1.ReasonPodFailed, devserverv1.ReasonOOMKilled, devserverv1.ReasonVolumeFailed, devserverv1.ReasonEvicted}

// final are the reasons of a Pending server that stay until an object is edited or
// deleted.
var final = []string{
	devserverv1.ReasonInvalidKey,
	devserverv1.ReasonHomeConflict,
	devserverv1.ReasonObjectConflict,
	devserverv1.ReasonClaimInUse,
	devserverv1.ReasonVolumeConflict,
	devserverv1.ReasonImageNotAllowed,
	devserverv1.ReasonServiceNotAllowed,
	devserverv1.ReasonHomeSizeNotAllowed,
	devserverv1.ReasonLifecycleNotAllowed,
	devserverv1.ReasonInvalidSchedule,
	devserverv1.ReasonInvalidFlavor,
	devserverv1.ReasonAdmissionRefused,
	devserverv1.ReasonRefused,
}

// Ready is the server's Ready condition; nil if it has none yet.
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

// IsRunning tells whether people can log in to the server, as its spec is now.
func IsRunning(ds *devserverv1.DevServer) bool {
	return IsCurrent(ds) && ds.Status.Phase == devserverv1.PhaseRunning
}

// IsSuspended tells whether the server is suspended, being suspended, or expired:
// waiting does not start it.
func IsSuspended(ds *devserverv1.DevServer) bool {
	switch ds.Status.Phase {
	case devserverv1.PhaseSuspending, devserverv1.PhaseSuspended, devserverv1.PhaseExpired:
		return true
	}
	return false
}

// WakesOnConnect tells whether the server is suspended by its idle timeout or
// schedule, so that a new renewTime of its Lease wakes it.
func WakesOnConnect(ds *devserverv1.DevServer) bool {
	c := Ready(ds)
	return c != nil && (c.Reason == devserverv1.ReasonIdle || c.Reason == devserverv1.ReasonScheduled)
}

// IsProgressing tells whether a reason of the Ready condition is that of a server
// that starts by itself.
func IsProgressing(reason string) bool { return slices.Contains(progressing, reason) }

// Obstacle is the condition that says why the server does not run; nil if it is
// starting, or if nothing is known yet.
func Obstacle(ds *devserverv1.DevServer) *metav1.Condition {
	c := Ready(ds)
	if c == nil || c.Status != metav1.ConditionFalse || !IsCurrent(ds) || IsProgressing(c.Reason) {
		return nil
	}
	return c
}

// Stuck tells whether waiting longer makes no sense, and why. A missing flavor or
// claim may still be created, and an evicted pod is replaced.
func Stuck(ds *devserverv1.DevServer) (cause string, stuck bool) {
	if !ds.DeletionTimestamp.IsZero() {
		return "it is being deleted", true
	}
	c := Ready(ds)
	switch {
	case c == nil || !IsCurrent(ds):
		return "", false
	case IsSuspended(ds):
		return c.Message, true
	}
	stuck = (ds.Status.Phase == devserverv1.PhasePending && slices.Contains(final, c.Reason)) ||
		(ds.Status.Phase == devserverv1.PhaseFailed && !slices.Contains(restarting, c.Reason))
	return c.Reason + ": " + c.Message, stuck
}

// HomeFate says what happens to the home directory when the DevServer is deleted.
func HomeFate(d *devserverv1.DevServer) string {
	if home := d.Spec.Home; home != nil && (home.Ephemeral || home.RetentionPolicy == devserverv1.HomeDelete) {
		return "Its home directory is deleted with it."
	}
	return "Its home directory is kept."
}

// awaitedClaim matches the scheduler's messages about a volume that is provisioned
// without waiting for a node, and about one that its cache does not have yet.
var awaitedClaim = regexp.MustCompile(`unbound immediate PersistentVolumeClaims|persistentvolume(claim)? "[^"]*" not found`)

// AwaitsClaims tells whether a message of the scheduler, in an event or a
// condition, is about a volume that is being provisioned. It says so for a moment
// about every new home.
func AwaitsClaims(message string) bool { return awaitedClaim.MatchString(message) }

// PodAwaitsClaims tells whether the scheduler waits for a volume of the pod that
// is being provisioned.
func PodAwaitsClaims(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && AwaitsClaims(c.Message)
	})
}
