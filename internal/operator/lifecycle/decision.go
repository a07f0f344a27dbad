// Package lifecycle decides when a server runs, is suspended, or is deleted. It is
// pure: a decision depends only on the policy, the facts and the time.
//
// The most important rule is that unknown counts as active. A server is never suspended
// for being idle unless its own agent has just reported that it is idle, or its
// container cannot run.
package lifecycle

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Act is a step that a decision requires. It is taken once, because the next decision
// sees its result.
type Act int

// Acts.
const (
	// ActNone: no step besides running the server or not, as Decision.Run says.
	ActNone Act = iota
	// ActSuspend: record Decision.Cause. An expiry is recorded in the status, and
	// idleness on the Lease, if the agent agrees.
	ActSuspend
	// ActDelete: delete the DevServer.
	ActDelete
	// ActClearSuspension: remove the suspension, which has ended, from the Lease.
	ActClearSuspension
)

// Decision is whether a server runs, is suspended or is deleted, and when to decide
// again.
type Decision struct {
	// Run tells whether the server gets a pod.
	Run bool
	// Cause is why the server does not run or, with ActSuspend, why it is about to
	// stop: a reason of the Ready condition.
	Cause string
	Act   Act
	// Renew is the renewTime to write to the Lease; zero if nothing has to be written.
	Renew time.Time
	// TracksActivity tells whether the server can be suspended for being idle. Activity
	// is nil until the agent has been asked; until then, the status keeps its previous
	// report.
	TracksActivity bool
	Activity       *Activity
	// AwaitsAgent is set by package transition while the agent is asked whether the
	// server can be suspended. Its answer leads to another decision.
	AwaitsAgent bool
	// StartFailure is why the container could not run, if the server is idle or
	// suspended because of that.
	StartFailure string
	// ExpiresAt, SuspendsAt and DeletesAt are when the server expires, is suspended and
	// is deleted if nothing changes; zero means never.
	ExpiresAt, SuspendsAt, DeletesAt time.Time
	// Warning announces a stop that is near; nil if none is.
	Warning *Warning
	// RequeueAt is when to decide again even if nothing happens; zero means never.
	RequeueAt time.Time
}

// requeue makes the next decision due at the given time or earlier. A zero time changes
// nothing.
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
	// Within is the maximum age of Last while the State is Active.
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

// earliest returns the first of the times that are not zero.
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

// Time converts t for the API. It returns nil if t is zero.
func Time(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
