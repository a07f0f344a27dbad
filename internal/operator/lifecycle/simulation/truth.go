package simulation

import (
	"math/rand/v2"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/transition"
	"devserver.io/devserver/internal/policy"
)

// truth is what the checks need and no program in the cluster knows.
type truth struct {
	pods int
	// suspended is why the server is suspended since suspendedAt. resumed is set by
	// everything that may resume it.
	suspended   string
	suspendedAt time.Time
	resumed     bool
	// known is since when the operator knows the policy, by its clock.
	known time.Time
	// warned is since when the status gives the last warning.
	warned time.Time
	// renewedAt is when the user last renewed the Lease or resumed the server, by the
	// true time, and renewedAhead how far their clock was ahead.
	renewedAt    time.Time
	renewedAhead time.Duration
	// recordedAt is when a suspension was last recorded on the Lease, and resumedAt when
	// the Lease was last renewed while it had one.
	recordedAt time.Time
	resumedAt  time.Time
	// excused is up to when the operator may be late.
	excused time.Time
	// startFailure is set while the container of the last pod could not run.
	startFailure bool
	// skewed is set once a clock was wrong.
	skewed bool
	// ahead is how far the operator's clock was set forward since its timers were set;
	// they do not notice.
	ahead time.Duration
	// forward is when that was.
	forward time.Time
	// setBack is set when that clock was set back, until an operator has decided.
	// renewed is the Lease's renewTime at that moment, which may be of that clock.
	setBack bool
	renewed time.Time
	// countsFrom is the latest time from which activity counts since then.
	countsFrom time.Time
	// until is up to when account has counted.
	until time.Time
}

// excuse says that the operator may be late until then.
func (w *world) excuse(until time.Time) {
	w.truth.excused = latest(w.truth.excused, until)
}

// account adds the time since the last call to the report. It is called before each
// change.
func (w *world) account() {
	if w.truth.until.IsZero() {
		w.truth.until = w.began
	}
	if d := w.now.Sub(w.truth.until); d > 0 && w.pod != nil {
		w.report.Held += d
		if last := w.pod.lastActivity(w.now); last.After(w.truth.until) {
			w.report.Active += last.Sub(w.truth.until)
		}
	}
	w.truth.until = w.now
}

// idle is how long the server has not been active.
func (w *world) idle() time.Duration {
	last := w.pod.lastActivity(w.now)
	if last.IsZero() {
		last = w.pod.createdAt
	}
	return w.now.Sub(last)
}

// checkSuspend checks the moment in which a suspension or an expiry is recorded.
func (w *world) checkSuspend(cause string) {
	if cause == devv1.ReasonExpired {
		if expires := w.expires(); w.operatorTime().Before(expires) {
			w.fault("the server expires at %s, before its time to live is over at %s", w.operatorTime(), expires)
		}
		w.checkWarned(expiryWords)
		return
	}
	timeout := w.policy.IdleTimeout
	if cause == devv1.ReasonScheduled {
		timeout = policy.IdleAfterStop
		if w.hours == nil || (!w.truth.skewed && w.stopped(w.pod.startAt).IsZero()) {
			w.fault("the server is suspended by its schedule, of which no stop is in force")
		}
	}
	early := transition.Tolerance
	if w.pod.startFailure != "" && w.truth.skewed {
		early = max(time.Hour, w.opClock) // Its times come from other clocks, and there is no activity to lose.
	}
	if idle := w.idle(); timeout == 0 || idle < timeout-early {
		w.fault("the server is suspended (%s) after being idle for %s, and its timeout is %s", cause, idle, timeout)
	}
	if end := w.keptAwakeUntil(); end.After(w.operatorTime()) {
		w.fault("the server is suspended although it is kept awake until %s", end)
	}
	if since := w.now.Sub(w.truth.resumedAt); since < timeout-transition.Tolerance && !w.troubles.clocks {
		w.fault("the server is suspended %s after its Lease was renewed", since)
	}
	w.checkWarned(idleWords)
}

// checkStop checks the moment in which the replicas are set to 0: the agent's
// agreement must still be in force, so that no session can have begun since.
func (w *world) checkStop(cause string) {
	if (cause != devv1.ReasonIdle && cause != devv1.ReasonScheduled) || w.pod == nil || w.pod.terminating || w.pod.startFailure != "" {
		return
	}
	if since := w.now.Sub(w.pod.drainedAt); since > agentapi.DrainTime {
		w.fault("the server is stopped %s after its agent agreed; it has been idle for %s", since, w.idle())
	}
}

// checkWake checks the moment in which the replicas are set to 1.
func (w *world) checkWake() {
	switch w.truth.suspended {
	case devv1.ReasonIdle, devv1.ReasonScheduled:
		if !w.truth.resumed && !w.startedSince(w.truth.suspendedAt) {
			w.fault("the server, suspended since %s (%s), wakes without a reason", w.truth.suspendedAt, w.truth.suspended)
		}
	default:
		if !w.truth.resumed {
			w.fault("the server (%s) starts, and its owner did not start it", w.truth.suspended)
		}
	}
}

func (w *world) checkDeletion(d lifecycle.Decision) {
	now := w.operatorTime()
	switch {
	case d.Run && (w.policy.OnExpire != devv1.ExpireDelete || now.Before(w.expires())):
		w.fault("the server is deleted before it expires")
	case !d.Run && (w.policy.DeleteAfter == 0 || w.pod != nil || now.Sub(w.suspended) < w.policy.DeleteAfter):
		w.fault("the server is deleted before it was suspended for %s", w.policy.DeleteAfter)
	}
}

// patrol checks every hour that nothing is overdue.
func (w *world) patrol() {
	w.after(time.Hour, w.patrol)
	w.checkHeld()
	if w.truth.skewed || w.now.Sub(w.truth.excused) < time.Minute {
		return
	}
	w.checkStarted()
	if w.policy.DeleteAfter == 0 || w.suspended.IsZero() || w.replicas == 1 {
		return
	}
	if late := w.operatorTime().Sub(w.deletes); late > time.Minute {
		w.fault("the server is not deleted, %s after the time in its status", late)
	}
	since := latest(w.suspended, w.truth.known)
	if w.deletes.Sub(since) > w.policy.DeleteAfter+time.Minute {
		w.fault("the server is deleted at %s only, and can be suspended for %s", w.deletes, w.policy.DeleteAfter)
	}
}

// checkStarted checks that no start of the schedule was missed.
func (w *world) checkStarted() {
	if w.replicas == 1 || (w.truth.suspended != devv1.ReasonIdle && w.truth.suspended != devv1.ReasonScheduled) {
		return
	}
	if !w.startedSince(w.truth.suspendedAt.Add(time.Minute)) {
		return
	}
	start := w.hours.last(w.hours.start, w.now)
	if w.op.since.After(start) || w.edited.After(start) {
		return // A start that is missed for an hour is not made up for.
	}
	if w.now.Sub(start) > time.Minute {
		w.fault("the server stays suspended (%s) after its schedule's start", w.truth.suspended)
	}
}

// keptAwakeUntil is until when the Lease keeps the server awake, by the operator's
// clock.
func (w *world) keptAwakeUntil() time.Time {
	if w.lease.KeepAwakeFor == 0 {
		return time.Time{}
	}
	length := w.lease.KeepAwakeFor
	if w.policy.MaxKeepAwake > 0 {
		length = min(length, w.policy.MaxKeepAwake)
	}
	return w.lease.KeepAwakeFrom.Add(length)
}

// expires is when the server expires, by the operator's clock; zero for never.
func (w *world) expires() time.Time {
	if w.policy.TimeToLive == 0 {
		return time.Time{}
	}
	start := w.pod.startAt.Truncate(time.Second)
	at := start.Add(w.policy.TimeToLive)
	if kept := w.keptAwakeUntil(); kept.After(at) {
		at = kept
		if most := start.Add(w.policy.MaxTimeToLive); w.policy.MaxTimeToLive > 0 && at.After(most) {
			at = most
		}
	}
	return at
}

// checkHeld checks that the server does not run for longer than it should.
func (w *world) checkHeld() {
	p := w.pod
	if p == nil || p.terminating || (p.readyAt.IsZero() && p.startFailure == "") || w.replicas == 0 {
		return
	}
	due := w.due()
	span := due.Sub(w.lastSign())
	if expires := w.expires(); !expires.IsZero() && (due.IsZero() || expires.Add(-w.opClock).Before(due)) {
		due, span = expires.Add(-w.opClock), expires.Sub(p.startAt)
	}
	if due.IsZero() {
		return
	}
	due = latest(w.warned(due, span), w.truth.excused).Add(w.truth.ahead)
	late := w.now.Sub(due)
	w.report.Latest = max(w.report.Latest, late)
	if late > time.Minute {
		w.fault("the server runs %s too long: idle for %s, timeout %s", late, w.idle(), w.policy.IdleTimeout)
		w.excuse(w.now.Add(time.Hour)) // So that it is reported once.
	}
}

// due is when the server should be suspended for being idle; zero for never.
func (w *world) due() time.Time {
	last := latest(append(w.mistaken(), w.lastSign())...)
	var due time.Time
	if w.policy.IdleTimeout > 0 {
		due = last.Add(w.policy.IdleTimeout)
	}
	if stop := w.stopped(w.pod.startAt); !stop.IsZero() {
		stop = latest(stop, last.Add(policy.IdleAfterStop))
		if due.IsZero() || stop.Before(due) {
			due = stop
		}
	}
	if due.IsZero() {
		return due
	}
	return latest(due, w.keptAwakeUntil().Add(-w.opClock))
}

// mistaken are the times of activity that the operator may assume because of wrong
// clocks, as true times: what is in its future counts as now, until that time has
// come or the operator has corrected the Lease.
func (w *world) mistaken() []time.Time {
	p := w.pod
	slow := max(0, -w.opClock)
	signs := []time.Time{w.truth.renewedAt.Add(w.truth.renewedAhead + slow), w.truth.countsFrom}
	if w.lease.RenewTime.Equal(w.truth.renewed) {
		signs = append(signs, w.lease.RenewTime.Add(-w.opClock))
	}
	return append(signs, p.createdAt.Add(slow), p.readyAt.Add(slow), p.readyUntil.Add(slow))
}

// lastSign is the last true sign of activity.
func (w *world) lastSign() time.Time {
	p := w.pod
	return latest(p.lastActivity(w.now), p.createdAt, p.readyAt, p.readyUntil, p.agentUp, w.truth.renewedAt)
}

// checkTimer checks that a decision would not change at a random time before its
// RequeueAt.
func (w *world) checkTimer(f lifecycle.Facts, d lifecycle.Decision) {
	now := w.operatorTime()
	if d.Act != lifecycle.ActNone {
		return
	}
	if !d.RequeueAt.IsZero() && !d.RequeueAt.After(now) {
		w.fault("RequeueAt is %s in the past", now.Sub(d.RequeueAt))
		return
	}
	span := 30 * 24 * time.Hour
	if !d.RequeueAt.IsZero() {
		span = d.RequeueAt.Sub(now) - 1
	}
	// It has its own random numbers, so that checking changes nothing.
	random := rand.New(rand.NewPCG(uint64(now.UnixNano()), 0)) //nolint:gosec // reproducible
	if random.IntN(10) > 0 || span <= 0 {
		return
	}
	then := now.Add(time.Duration(random.Int64N(int64(span))))
	switch f.DeletesAt = d.DeletesAt; { // As the status will have it.
	case d.Warning == nil || !d.Warning.Last:
		f.LastWarningAt = time.Time{}
	case f.LastWarningAt.IsZero() || f.LastWarningAt.After(now):
		f.LastWarningAt = now
	}
	if later := lifecycle.Decide(w.policy, f, then); later.Act != d.Act || later.Run != d.Run || (later.Warning != nil && (d.Warning == nil || *later.Warning != *d.Warning)) {
		w.fault("%s after a decision, and %s before its RequeueAt, the decision would be %+v instead of %+v", then.Sub(now), d.RequeueAt.Sub(then), later, d)
	}
}

// startedSince tells whether the schedule started the server since then.
func (w *world) startedSince(then time.Time) bool {
	if w.hours == nil || w.hours.start == 0 {
		return false
	}
	then = then.Add(w.opClock - transition.Tolerance)
	if w.truth.skewed {
		then = then.Add(-2 * time.Hour)
	}
	return w.hours.last(w.hours.start, w.operatorTime()).After(then)
}

// stopped is the stop of the schedule that is in force for a server that is Ready
// since then; zero for none.
func (w *world) stopped(ready time.Time) time.Time {
	if w.hours == nil {
		return time.Time{}
	}
	stop := w.hours.last(w.hours.stop, w.operatorTime())
	if !stop.After(ready) || (w.hours.start > 0 && w.hours.last(w.hours.start, w.operatorTime()).After(stop)) {
		return time.Time{}
	}
	return stop.Add(-w.opClock)
}

// last is the last time, up to now, at this time of day.
func (h *hours) last(clock time.Duration, now time.Time) time.Time {
	local := now.In(h.zone)
	for days := 0; ; days-- {
		at := time.Date(local.Year(), local.Month(), local.Day()+days, 0, int(clock.Minutes()), 0, 0, h.zone)
		if !at.After(now) {
			return at
		}
	}
}
