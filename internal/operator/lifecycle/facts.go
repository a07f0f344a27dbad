package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// Facts are what the operator knows about a server.
type Facts struct {
	// Suspend is spec.suspend.
	Suspend bool
	// Resumed is set if spec.suspend was true at the last pass and is false now.
	Resumed bool
	// RestartedAt is spec.restartedAt; zero if it is not set.
	RestartedAt time.Time
	// Lease is the server's Lease. ForeignLease is set if a Lease of another owner has
	// its name; the server is then not suspended for being idle.
	Lease        lease.Lease
	ForeignLease bool
	// Expired is set once the server was stopped because its time to live was over.
	// It comes from the status, which only the operator writes.
	Expired *Expiry
	// Pod is nil if no pod exists, or if the pod is being deleted. NoPod is set only if
	// no pod exists.
	Pod   *Pod
	NoPod bool
	// HoldUntil is when the next pod may be created, because the last ones failed too
	// often; zero means now.
	HoldUntil time.Time
	// SuspendedAt and DeletesAt are the fields of the status: when the server was
	// suspended, and when it will be deleted.
	SuspendedAt, DeletesAt time.Time
	// LastWarningAt is when the status began to report the last warning of a stop; zero
	// if it reports none. A time in the future, from a wrong clock, counts as now.
	LastWarningAt time.Time

	// resumedAt is the earliest time at which the server may have been resumed, by the
	// operator's clock; zero if it was not, or if that is no longer known.
	resumedAt time.Time
}

// Resumed tells whether spec.suspend, which is now suspend, was true at the last pass.
// reason is the reason of the Ready condition that the pass wrote. A value that
// spec.suspend had only between two passes does not count.
func Resumed(suspend bool, reason string) bool {
	return !suspend && reason == devv1.ReasonSuspended
}

// Pod has the facts of a server's pod.
type Pod struct {
	// StartedAt is when it was started. The time to live counts from there.
	StartedAt time.Time
	// ReadyAt is when SSH began to answer; zero while it does not answer. The server
	// cannot have been used before.
	ReadyAt time.Time
	// ReadyUntil is when SSH stopped answering; zero while it answers. The server may
	// have been used until then.
	ReadyUntil time.Time
	// AgentUnreachable is set while the agent does not answer the operator.
	// AgentOutdated is set if the agent is too old to report whether the server is
	// active.
	AgentUnreachable, AgentOutdated bool
	// StartFailure is why the container cannot run, if that is known. The server then
	// has no agent to ask, and cannot be active.
	StartFailure string
	// Activity is the agent's last report; nil until the agent has been asked.
	Activity *AgentActivity
}

// AgentActivity is what an agent reported.
type AgentActivity struct {
	// LastActivity is when the server was last active, by the operator's clock.
	LastActivity time.Time
	// KeptAwakeBy is the process that keeps the server awake; empty for none.
	KeptAwakeBy string
}

// Expiry records that a server has expired.
type Expiry struct {
	// RestartedAt is the value of spec.restartedAt at that time. A later value starts
	// the server.
	RestartedAt time.Time
}

// SuspensionOf records that a server is suspended for a cause.
func SuspensionOf(cause string, f Facts, now time.Time) lease.Suspension {
	s := lease.Suspension{Cause: cause, At: now, RenewTime: f.Lease.RenewTime, RestartedAt: f.RestartedAt}
	if f.Pod != nil {
		s.StartFailure = f.Pod.StartFailure
	}
	return s
}

// startHolds is how long after its time a scheduled start still counts, for example if
// the operator was down. justDue is how long it counts if the operator's clock was set
// back.
const startHolds, justDue = time.Hour, time.Minute

// keepsSuspended tells whether the suspension on the Lease is still in force.
func keepsSuspended(s *lease.Suspension, p policy.Policy, f Facts, now time.Time) bool {
	if s.Ended(f.Lease.RenewTime, f.RestartedAt) {
		return false
	}
	since := s.At
	if since.After(now) {
		// The clock was set back by an unknown amount. No start would count until it
		// reaches since again, so a start that is due just now counts.
		since = now.Add(-justDue)
	}
	// A start that is long past does not count: adding a schedule at noon must not
	// resume every suspended server.
	start := p.Schedule.StartSince(since, now)
	return start.IsZero() || now.Sub(start) > startHolds
}

// consentLasts is how long a recorded suspension may take to stop the server. The agent
// refuses sessions for twice that time from when it agreed, which is seconds before the
// suspension is recorded, so the pod has most of the other half to end.
const consentLasts = agentapi.DrainTime / 2

// consentLapsed tells whether a server still runs long after its agent agreed to a
// suspension, because the operator was down or its writes were refused. The server may
// be active again.
func consentLapsed(s *lease.Suspension, f Facts, now time.Time) bool {
	if f.Pod == nil {
		return false
	}
	return now.Before(s.At) || !now.Before(s.At.Add(consentLasts))
}
