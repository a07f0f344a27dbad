package simulation

import (
	"math/rand/v2"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/transition"
)

// truth is what nobody in the cluster knows as a whole.
type truth struct {
	pods int
	// asleep is what the box sleeps for since asleepAt; woken is set by whatever
	// may wake it from that.
	asleep   string
	asleepAt time.Time
	woken    bool
	// known is since when the operator knows the policy, by its clock.
	known time.Time
	// told is since when people are told for the last time that a stop is near.
	told time.Time
	// called is when somebody last renewed the Lease, by the true time, and
	// callAhead how far their clock was ahead.
	called    time.Time
	callAhead time.Duration
	// markedAt is when the Lease was marked last, and markedCall when it was last
	// renewed while it was.
	markedAt   time.Time
	markedCall time.Time
	// excused is up to when nobody can blame the operator for being late.
	excused time.Time
	// hindered is set while the last pod's container could not run.
	hindered bool
	// skewed is set once a clock was wrong, for the rest of the box's days.
	skewed bool
	// ahead is how far the operator's clock was set forward since its timers were
	// set, which do not know.
	ahead time.Duration
	// forward is when that was.
	forward time.Time
	// setBack is set while that clock was set back and no operator has looked;
	// renewed is the Lease's renewTime of then, which may be of that clock.
	setBack bool
	renewed time.Time
	// anew is when work counts from since then, at the latest.
	anew time.Time
	// until is up to when the hours are in the account.
	until time.Time
}

// excuse says that up to then the operator need not act in time.
func (w *world) excuse(until time.Time) {
	if until.After(w.truth.excused) {
		w.truth.excused = until
	}
}

// account counts the hours since it did last. It is called before each change.
func (w *world) account() {
	if w.truth.until.IsZero() {
		w.truth.until = w.began
	}
	if d := w.now.Sub(w.truth.until); d > 0 && w.pod != nil {
		w.report.Held += d
		if last := w.pod.lastActivity(w.now); last.After(w.truth.until) {
			w.report.Worked += last.Sub(w.truth.until)
		}
	}
	w.truth.until = w.now
}

// idle is for how long the box has not been at work.
func (w *world) idle() time.Duration {
	last := w.pod.lastActivity(w.now)
	if last.IsZero() {
		last = w.pod.createdAt
	}
	return w.now.Sub(last)
}

// checkSuspend is for the moment in which the Lease is marked.
func (w *world) checkSuspend(cause string) {
	if cause == devv1.ReasonExpired {
		if expires := w.expires(); w.operatorTime().Before(expires) {
			w.fault("the box expires at %s, before its time %s", w.operatorTime(), expires)
		}
		w.checkWarned("expires")
		return
	}
	patience := w.policy.IdleTimeout
	if cause == devv1.ReasonScheduled {
		patience = lateIdle
		if w.hours == nil || !w.truth.skewed && w.stopped(w.pod.startAt).IsZero() {
			w.fault("the box is stopped by its schedule, of which no stop holds")
		}
	}
	early := transition.Tolerance
	if w.pod.hindered != "" && w.truth.skewed {
		early = max(time.Hour, w.opClock) // Its times are other clocks', and there is nothing to lose.
	}
	if idle := w.idle(); patience == 0 || idle < patience-early {
		w.fault("the box is put to sleep (%s) after %s without work, and may be for %s", cause, idle, patience)
	}
	if end := w.keptAwakeUntil(); end.After(w.operatorTime()) {
		w.fault("the box is put to sleep although it is kept until %s", end)
	}
	if since := w.now.Sub(w.truth.markedCall); since < patience-transition.Tolerance && !w.troubles.clocks {
		w.fault("the box is put to sleep %s after it was woken, which was lost", since)
	}
	w.checkWarned("suspended")
}

const lateIdle = 15 * time.Minute

// checkStop is for the moment in which replicas go to 0: nobody may have had
// the time to begin to work since the agent agreed.
func (w *world) checkStop(cause string) {
	if cause != devv1.ReasonIdle && cause != devv1.ReasonScheduled || w.pod == nil || w.pod.terminating || w.pod.hindered != "" {
		return
	}
	if since := w.now.Sub(w.pod.drainedAt); since > agentapi.DrainTime {
		w.fault("the box is stopped %s after its agent agreed; it has been idle for %s", since, w.idle())
	}
}

// checkWake is for the moment in which replicas go to 1.
func (w *world) checkWake() {
	switch w.truth.asleep {
	case devv1.ReasonIdle, devv1.ReasonScheduled:
		if !w.truth.woken && !w.startedSince(w.truth.asleepAt) {
			w.fault("the box, asleep since %s (%s), wakes and nobody asked for it", w.truth.asleepAt, w.truth.asleep)
		}
	default:
		if !w.truth.woken {
			w.fault("the box (%s) wakes, and its owner did not ask for it", w.truth.asleep)
		}
	}
}

func (w *world) checkDeletion(d lifecycle.Decision) {
	now := w.operatorTime()
	switch {
	case d.Run && (w.policy.OnExpire != devv1.ExpireDelete || now.Before(w.expires())):
		w.fault("the box is deleted before it expires")
	case !d.Run && (w.policy.DeleteAfter == 0 || w.pod != nil || now.Sub(w.suspended) < w.policy.DeleteAfter):
		w.fault("the box is deleted before it was suspended for %s", w.policy.DeleteAfter)
	}
}

// patrol looks every hour whether something was forgotten.
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
		w.fault("the box is not deleted, %s after the time that its status tells", late)
	}
	since := w.suspended // or since it is known that it is to be deleted
	if w.truth.known.After(since) {
		since = w.truth.known
	}
	if w.deletes.Sub(since) > w.policy.DeleteAfter+time.Minute {
		w.fault("the box is to be deleted at %s only, and may sleep for %s", w.deletes, w.policy.DeleteAfter)
	}
}

// checkStarted sees whether a start of the schedule was missed.
func (w *world) checkStarted() {
	if w.replicas == 1 || w.truth.asleep != devv1.ReasonIdle && w.truth.asleep != devv1.ReasonScheduled {
		return
	}
	if !w.startedSince(w.truth.asleepAt.Add(time.Minute)) {
		return
	}
	start := w.hours.last(w.hours.start, w.now)
	if w.op.since.After(start) || w.edited.After(start) {
		return // An hour later, nothing makes up for it.
	}
	if w.now.Sub(start) > time.Minute {
		w.fault("the box sleeps on (%s) after its schedule's start", w.truth.asleep)
	}
}

// keptAwakeUntil is when the keep ends, by the operator's clock.
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

// expires is when the box expires, by the operator's clock; zero for never.
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

// checkHeld sees whether the box is held for longer than it should be.
func (w *world) checkHeld() {
	p := w.pod
	if p == nil || p.terminating || p.readyAt.IsZero() && p.hindered == "" || w.replicas == 0 {
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
	due = w.warned(due, span)
	if w.truth.excused.After(due) {
		due = w.truth.excused
	}
	due = due.Add(w.truth.ahead)
	late := w.now.Sub(due)
	w.report.Latest = max(w.report.Latest, late)
	if late > time.Minute {
		w.fault("the box is held %s too long: idle for %s, patience %s", late, w.idle(), w.policy.IdleTimeout)
		w.excuse(w.now.Add(time.Hour)) // Once is enough.
	}
}

// due is when the box should be put to sleep for want of work; zero for never.
func (w *world) due() time.Time {
	p, last := w.pod, w.lastSign()
	for _, sign := range w.mistaken() {
		if sign.After(last) {
			last = sign
		}
	}
	var due time.Time
	if w.policy.IdleTimeout > 0 {
		due = last.Add(w.policy.IdleTimeout)
	}
	if stop := w.stopped(p.startAt); !stop.IsZero() {
		if quiet := last.Add(lateIdle); quiet.After(stop) {
			stop = quiet
		}
		if due.IsZero() || stop.Before(due) {
			due = stop
		}
	}
	if kept := w.keptAwakeUntil().Add(-w.opClock); !due.IsZero() && kept.After(due) {
		due = kept
	}
	return due
}

// mistaken is when the operator may believe that something spoke for the box,
// by the true time: clocks are wrong, and what lies in its future counts as now
// until that is over, or it has set the Lease right.
func (w *world) mistaken() []time.Time {
	p := w.pod
	slow := max(0, -w.opClock)
	signs := []time.Time{w.truth.called.Add(w.truth.callAhead + slow), w.truth.anew}
	if w.lease.RenewTime.Equal(w.truth.renewed) {
		signs = append(signs, w.lease.RenewTime.Add(-w.opClock))
	}
	return append(signs, p.createdAt.Add(slow), p.readyAt.Add(slow), p.readyUntil.Add(slow))
}

// lastSign is when something last spoke for the box.
func (w *world) lastSign() time.Time {
	p := w.pod
	last := p.lastActivity(w.now)
	for _, sign := range []time.Time{p.createdAt, p.readyAt, p.readyUntil, p.agentUp, w.truth.called} {
		if sign.After(last) {
			last = sign
		}
	}
	return last
}

// checkTimer sees whether a decision would have been another one at some time
// before the one at which it wants to look again.
func (w *world) checkTimer(f lifecycle.Facts, d lifecycle.Decision) {
	now := w.operatorTime()
	if d.Act != lifecycle.ActNone {
		return
	}
	if !d.RequeueAt.IsZero() && !d.RequeueAt.After(now) {
		w.fault("the decision wants to look again in the past: %s", now.Sub(d.RequeueAt))
		return
	}
	span := 30 * 24 * time.Hour
	if !d.RequeueAt.IsZero() {
		span = d.RequeueAt.Sub(now) - 1
	}
	// Its own randomness: whoever looks changes nothing.
	look := rand.New(rand.NewPCG(uint64(now.UnixNano()), 0)) //nolint:gosec // reproducible
	if look.IntN(10) > 0 || span <= 0 {
		return
	}
	then := now.Add(time.Duration(look.Int64N(int64(span))))
	switch f.DeletesAt = d.DeletesAt; { // As the status is about to say.
	case d.Warning == nil || !d.Warning.Last:
		f.LastWarningAt = time.Time{}
	case f.LastWarningAt.IsZero() || f.LastWarningAt.After(now):
		f.LastWarningAt = now
	}
	if later := lifecycle.Decide(w.policy, f, then); later.Act != d.Act || later.Run != d.Run || later.Warning != nil && (d.Warning == nil || *later.Warning != *d.Warning) {
		w.fault("%s after a decision, and %s before it looks again, it would be another: %+v instead of %+v", then.Sub(now), d.RequeueAt.Sub(then), later, d)
	}
}

// startedSince tells whether the schedule started the box since then.
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

// stopped is the stop of the schedule that holds for a box that is ready since
// then; zero for none.
func (w *world) stopped(ready time.Time) time.Time {
	if w.hours == nil {
		return time.Time{}
	}
	stop := w.hours.last(w.hours.stop, w.operatorTime())
	if !stop.After(ready) || w.hours.start > 0 && w.hours.last(w.hours.start, w.operatorTime()).After(stop) {
		return time.Time{}
	}
	return stop.Add(-w.opClock)
}

// last is the last time that it was so long after midnight.
func (h *hours) last(clock time.Duration, now time.Time) time.Time {
	local := now.In(h.zone)
	for days := 0; ; days-- {
		at := time.Date(local.Year(), local.Month(), local.Day()+days, 0, int(clock.Minutes()), 0, 0, h.zone)
		if !at.After(now) {
			return at
		}
	}
}
