package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// track decides for a server that can be suspended for being idle.
func (d *Decision) track(p policy.Policy, f Facts, keptAwakeUntil, now time.Time) {
	failure := f.Pod.StartFailure
	if f.Pod.ReadyAt.IsZero() && !f.Pod.AgentUnreachable && failure == "" {
		return // It cannot be in use yet.
	}
	last := f.lastActivity(now)
	d.renew(p, f, last, now)
	idleFrom := last.Add(p.IdleAfter())
	if failure != "" && now.Before(idleFrom) {
		d.requeue(idleFrom) // The failure may be over by then, and need not be reported.
		return
	}
	switch {
	case f.ForeignLease, failure == "" && (f.Pod.AgentUnreachable || f.Pod.AgentOutdated):
		d.Activity = &Activity{State: Unknown, Last: last, AgentOutdated: f.Pod.AgentOutdated, ForeignLease: f.ForeignLease}
		return
	case failure == "" && f.Pod.Activity == nil:
		return // The agent is about to be asked, and its answer leads to another decision.
	}
	d.Activity = &Activity{State: Active, Last: last, Within: p.IdleAfter(), StartFailure: failure}
	if failure == "" {
		d.Activity.KeptAwakeBy = f.Pod.Activity.KeptAwakeBy
	}
	d.StartFailure = failure
	stop, cause := stopOf(p, f.Pod.StartedAt, last, now)
	if stop = latest(stop, keptAwakeUntil); stop.IsZero() {
		return
	}
	stop = f.afterLastWarning(stop, stop.Sub(last), now)
	if !now.Before(stop) {
		d.Act, d.Cause = ActSuspend, cause
		return
	}
	d.settle(idleFrom, keptAwakeUntil, stop, now)
}

// renew sees whether the Lease is due, and decides again when it will be. The
// last activity is recorded too, after which nothing is due until there is more.
// Waking is recorded at once: nothing shows it later.
func (d *Decision) renew(p policy.Policy, f Facts, last, now time.Time) {
	renewed := f.Lease.RenewTime
	due := renewed.Add(p.RenewEvery())
	switch {
	case renewed.IsZero(), renewed.After(now.Add(time.Minute)):
		d.Renew = last
	case !lease.Micro(last).After(lease.Micro(renewed)):
	case now.Before(due) && !f.wokenAt.After(renewed):
		d.requeue(due)
	default:
		d.Renew = last
	}
}

// settle fills in the State of a server that goes on running, and when it may
// change.
func (d *Decision) settle(idleFrom, keptAwakeUntil, stop, now time.Time) {
	switch {
	case keptAwakeUntil.After(now):
		d.Activity.State, d.Activity.KeptAwakeUntil = KeptAwake, keptAwakeUntil
		if !now.Before(idleFrom) {
			d.SuspendsAt = stop
		} else {
			d.requeue(idleFrom)
		}
		d.requeue(keptAwakeUntil)
	case now.Before(idleFrom):
		if d.Activity.KeptAwakeBy != "" {
			d.Activity.State = KeptAwake
		}
		// A process that keeps the server awake does so all the time: if it has
		// stopped, that shows by then.
		d.requeue(idleFrom)
	default:
		d.Activity.State = Idle
		d.SuspendsAt = stop
	}
	d.requeue(stop)
}

// lastActivity is the last that is known: the Lease's, the agent's, or the start
// of the server. A time in the future comes from a wrong clock, or was set
// to keep the server awake: it counts as now, and the Lease is
// corrected.
func (f Facts) lastActivity(now time.Time) time.Time {
	last := latest(f.Pod.StartedAt, f.Pod.ReadyAt, f.Pod.ReadyUntil, f.Lease.RenewTime, f.wokenAt)
	if a := f.Pod.Activity; a != nil && a.LastActivity.Sub(f.Lease.RenewTime).Abs() > tolerance {
		last = latest(last, a.LastActivity)
	}
	return earliest(last, now)
}

// tolerance is by how much two computations of the same time may differ: the one
// on the Lease, and that of an operator that was restarted since. No announced
// time changes for that.
const tolerance = 2 * time.Second

// stopOf is when a server is suspended that was last active at that time, and
// why; zero for never. It counts a stop of the schedule that is in force, or the
// next one, from which on a shorter time is allowed.
func stopOf(p policy.Policy, startedAt, last, now time.Time) (at time.Time, cause string) {
	if p.IdleTimeout > 0 {
		at, cause = last.Add(p.IdleTimeout), devv1.ReasonIdle
	}
	due := p.Schedule.StopSince(startedAt, now)
	if due.IsZero() {
		due = p.Schedule.NextStop(now)
	}
	if due.IsZero() {
		return at, cause
	}
	if due = latest(due, last.Add(policy.IdleAfterStop)); at.IsZero() || due.Before(at) {
		return due, devv1.ReasonScheduled
	}
	return at, cause
}
