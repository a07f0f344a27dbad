package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// track completes the decision for a server that can be suspended for being idle.
func (d *Decision) track(p policy.Policy, f Facts, keptAwakeUntil, now time.Time) {
	failure := f.Pod.StartFailure
	if f.Pod.ReadyAt.IsZero() && !f.Pod.AgentUnreachable && failure == "" {
		return // The server cannot be in use yet.
	}
	last := f.lastActivity(now)
	d.renew(p, f, last, now)
	idleFrom := last.Add(p.IdleAfter())
	if failure != "" && now.Before(idleFrom) {
		d.requeue(idleFrom) // The failure may be over by then, so it is not reported yet.
		return
	}
	switch {
	case f.ForeignLease, failure == "" && (f.Pod.AgentUnreachable || f.Pod.AgentOutdated):
		d.Activity = &Activity{State: Unknown, Last: last, AgentOutdated: f.Pod.AgentOutdated, ForeignLease: f.ForeignLease}
		return
	case failure == "" && f.Pod.Activity == nil:
		return // The operator is about to ask the agent, whose answer leads to another decision.
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

// renew decides whether to write the last activity to the Lease now, or when to check
// again. Once it is written, no renewal is due until there is new activity. A resume is
// written immediately, because nothing records it later.
func (d *Decision) renew(p policy.Policy, f Facts, last, now time.Time) {
	renewed := f.Lease.RenewTime
	due := renewed.Add(p.RenewEvery())
	switch {
	case renewed.IsZero(), renewed.After(now.Add(time.Minute)):
		d.Renew = last
	case !lease.Micro(last).After(lease.Micro(renewed)):
	case now.Before(due) && !f.resumedAt.After(renewed):
		d.requeue(due)
	default:
		d.Renew = last
	}
}

// settle sets the State and SuspendsAt of a server that continues to run, and when
// to decide again.
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
		// While a process keeps the server awake, the last activity keeps moving. If
		// the process ends, the server becomes idle at idleFrom at the latest.
		d.requeue(idleFrom)
	default:
		d.Activity.State = Idle
		d.SuspendsAt = stop
	}
	d.requeue(stop)
}

// lastActivity returns the latest known activity: the Lease's renewTime, the agent's
// report, a resume, or the server's start. A time in the future comes from a wrong
// clock, or was set to keep the server awake. Such a time counts as now, and the Lease
// is corrected.
func (f Facts) lastActivity(now time.Time) time.Time {
	last := latest(f.Pod.StartedAt, f.Pod.ReadyAt, f.Pod.ReadyUntil, f.Lease.RenewTime, f.resumedAt)
	if a := f.Pod.Activity; a != nil && a.LastActivity.Sub(f.Lease.RenewTime).Abs() > tolerance {
		last = latest(last, a.LastActivity)
	}
	return earliest(last, now)
}

// tolerance is how far the last activity that the agent reports may differ from the
// Lease's renewTime and still be the same activity. After an operator restart, the
// two can differ slightly, which must not move an announced stop.
const tolerance = 2 * time.Second

// stopOf returns when a server that was last active at last will be suspended, and
// why; zero means never. It considers the schedule's stop that is in force, or else
// the next one. After a scheduled stop, a server may be idle only for
// policy.IdleAfterStop.
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
