// Package lifecycle decides when a server runs, is suspended, or is deleted. It
// is pure: a decision follows from the policy, from what is known of the server,
// and from the time.
//
// The rule above all others: unknown counts as active. A server is never suspended
// for being idle unless its own agent has just reported that it is, or its container
// cannot run.
package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Act is a step that a decision requires. It is taken once: the next decision
// sees what it left behind.
type Act int

// Acts.
const (
	// ActNone: the server only has to run or not, as Decision.Run says.
	ActNone Act = iota
	// ActSuspend: record Decision.Cause. An expiry is recorded in the status, and
	// idleness on the Lease, if the agent agrees.
	ActSuspend
	// ActDelete: delete the DevServer.
	ActDelete
	// ActClearSuspension: remove the suspension, which has ended, from the Lease.
	ActClearSuspension
)

// Decision is what becomes of a server.
type Decision struct {
	// Run tells whether the server gets a pod.
	Run bool
	// Cause is why it does not, or, with ActSuspend, why it does not from now on: a
	// reason of the Ready condition.
	Cause string
	Act   Act
	// Renew is the renewTime that the Lease gets; zero if it is right.
	Renew time.Time
	// TracksActivity tells whether the server can be suspended for being idle.
	// Activity is nil while the agent has not been asked yet; what was reported
	// before stands until then.
	TracksActivity bool
	Activity       *Activity
	// StartFailure is why the container of a server that is suspended, or idle,
	// could not run, if that was why it was idle.
	StartFailure string
	// ExpiresAt, SuspendsAt and DeletesAt are when that happens if nothing else
	// does; zero for never.
	ExpiresAt, SuspendsAt, DeletesAt time.Time
	// Warning announces a stop that is near; nil for none.
	Warning *Warning
	// RequeueAt is when to decide again even if nothing happens; zero for never.
	RequeueAt time.Time
}

// requeue decides again at the time, or earlier. Zero changes nothing.
func (d *Decision) requeue(at time.Time) { d.RequeueAt = earliest(d.RequeueAt, at) }

// State is whether a server is active.
type State int

// States.
const (
	// Active includes a server that was just started or resumed.
	Active State = iota
	// KeptAwake: its Lease, or a process in it, keeps it awake.
	KeptAwake
	// Idle: it has not been active for policy.IdleAfter.
	Idle
	// Unknown counts as active.
	Unknown
)

// Activity is whether a server is active, and since when.
type Activity struct {
	State State
	// Last is the time of the last activity.
	Last time.Time
	// Within is how recent Last is at least while the State is Active.
	Within time.Duration
	// KeptAwakeUntil is set if the Lease keeps the server awake, KeptAwakeBy if a
	// process in it does.
	KeptAwakeUntil time.Time
	KeptAwakeBy    string
	// AgentOutdated and ForeignLease are why the State is Unknown, unless the agent
	// does not answer.
	AgentOutdated, ForeignLease bool
	// StartFailure is why the container could not run, if that is why the server is
	// idle.
	StartFailure string
}

// earliest is the first of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if first.IsZero() || (!t.IsZero() && t.Before(first)) {
			first = t
		}
	}
	return first
}

func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// Time is t as the API has it, or nil.
func Time(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
