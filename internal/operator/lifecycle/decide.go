package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
)

// Act is a step that a decision asks for. It is made once: the next decision
// sees what it left behind.
type Act int

// Acts.
const (
	// ActNone: nothing is to be done but to let the box be as Decision.Run says.
	ActNone Act = iota
	// ActSleep: note Decision.Cause, an expiry in the status, and want of work on
	// the Lease, if the agent agrees.
	ActSleep
	// ActDelete: delete the DevServer.
	ActDelete
	// ActUnmark: take the mark off the Lease, which does not hold any more.
	ActUnmark
)

// Decision is what is to become of a box.
type Decision struct {
	// Run tells whether the box is to have a pod.
	Run bool
	// Cause is why not, or, with ActSleep, why not from now on.
	Cause Cause
	Act   Act
	// Renew is the renewTime that the Lease is to get; zero where it is right.
	Renew time.Time
	// Watched tells whether the box may sleep for want of work. Work is how that
	// stands; nil while nobody has asked yet, so that what was said before stands.
	Watched bool
	Work    *Work
	// Hindered is why the container of a box that sleeps, or is idle, did not run,
	// if that was why there was no work.
	Hindered string
	// ExpiresAt, SuspendsAt and DeletesAt are when that happens if nothing else
	// does; zero for never.
	ExpiresAt, SuspendsAt, DeletesAt time.Time
	// Warning is a stop that is near; nil for none.
	Warning *Warning
	// Again is when to decide anew, even if nothing happens; zero for never.
	Again time.Time
}

// State is whether a box is at work.
type State int

// States.
const (
	// Working also stands for a box that just started.
	Working State = iota
	// Kept: something asks to count it as at work.
	Kept
	// Idle: it has been without work for a while.
	Idle
	// Unknown counts as at work.
	Unknown
)

// Work is how a box's work stands.
type Work struct {
	State State
	// Last is when the box was last at work.
	Last time.Time
	// KeptUntil is set for a keep by the Lease.
	KeptUntil time.Time
	// Keep is what a process in the box keeps it for.
	Keep string
	// TooOld and Foreign are why it is Unknown, unless the agent is silent.
	TooOld, Foreign bool
	// Signal and Figures are those of the Sighting; Figures is also what hinders
	// the container.
	Signal, Figures string
}

// restless is how long a box may pause in its work without being called idle.
const restless = 10 * time.Minute

// idleAfter is how long a box is without work before it is called idle.
func (p Policy) idleAfter() time.Duration {
	if p.IdleTimeout > 0 {
		return min(restless, p.IdleTimeout/2)
	}
	return restless
}

// RenewEvery is how often a box at work has its Lease renewed.
func (p Policy) RenewEvery() time.Duration {
	const often = 5 * time.Minute
	if p.IdleTimeout > 0 {
		return min(often, p.IdleTimeout/3)
	}
	return often
}

// AskEvery is how often the agent of a box must be asked, at least, so that one
// at work is never called idle between two answers.
func (p Policy) AskEvery() time.Duration {
	const often, least = time.Minute, 5 * time.Second
	if p.IdleTimeout > 0 {
		return max(least, min(often, p.IdleTimeout/6))
	}
	return often
}

// Decide decides what is to become of a box at now.
func Decide(p Policy, f Facts, now time.Time) Decision {
	// Nearly all that is known was read from other clocks, or from this one
	// before it was set: beside those, a monotonic reading misleads.
	now = now.Round(0)
	marked := f.Lease.Mark != nil
	switch {
	case f.Suspend:
		d := asleep(p, f, CauseOwner, now)
		if marked && d.Act == ActNone {
			// So that the owner's change of mind starts the box, whatever else it
			// slept for before.
			d.Act = ActUnmark
		}
		return d
	case f.Expired != nil && !f.Resumed && !f.RestartedAt.After(f.Expired.RestartedAt):
		return asleep(p, f, CauseExpired, now)
	case f.Resumed:
		// Its owner was there a moment ago, and wants it to run. That counts as work.
		f.woken = now
	case marked && !f.Lease.Mark.holds(p, f, now):
		// Whatever woke it did so after that, be its own clock wrong.
		f.woken = f.Lease.Mark.At
	case marked && !f.Lease.Mark.lapsed(f, now):
		return asleep(p, f, f.Lease.Mark.Cause, now)
	}
	d := awake(p, f, now)
	if marked && d.Act == ActNone {
		// What woke the box may be gone later, a schedule or restartedAt.
		d.Act = ActUnmark
	}
	return d
}

// due is when a stop takes effect that is due at a time: people are warned for
// the last time before, also of one that a policy, the operator's absence or a
// clock made overdue, whatever they were told earlier. The span is how long they
// knew that it would come. A warning that is told a moment late moves no stop.
func (f Facts) due(stop time.Time, span time.Duration, now time.Time) time.Time {
	if stop.IsZero() {
		return stop
	}
	_, notice := leads(span)
	return latest(stop, earliest(f.AnnouncedAt, now).Add(notice-same))
}

// awake is the decision for a box that is to run now, and perhaps no longer.
func awake(p Policy, f Facts, now time.Time) Decision {
	if now.Before(f.HoldUntil) && f.HoldUntil.Sub(now) <= longest { // or the clock was set back since
		return Decision{Cause: CauseEvicted, Again: f.HoldUntil}
	}
	d := Decision{Run: true}
	if f.Pod == nil {
		return d
	}
	keptUntil := f.Lease.keptUntil(p, now)
	expires := expiry(p, f.Pod, keptUntil)
	if d.ExpiresAt = f.due(expires, expires.Sub(f.Pod.StartedAt), now); !d.ExpiresAt.IsZero() && !now.Before(d.ExpiresAt) {
		if p.OnExpire == devv1.ExpireDelete {
			d.Act = ActDelete
			return d
		}
		d.Act, d.Cause = ActSleep, CauseExpired
		return d
	}
	d.Again = d.ExpiresAt
	if d.Watched = p.Watched(); d.Watched {
		d.watch(p, f, keptUntil, now)
	} else if p.TimeToLive > 0 && f.Lease.RenewTime.IsZero() {
		d.Renew = f.Pod.ReadyAt // For a keep, people need the Lease.
	}
	if d.Act == ActNone {
		d.warn(p, f, now)
	}
	return d
}

// expiry is when the time to live is over. A keep defers it, as far as the
// flavor lets it.
func expiry(p Policy, pod *Pod, keptUntil time.Time) time.Time {
	if p.TimeToLive == 0 || pod.StartedAt.IsZero() {
		return time.Time{}
	}
	expires := pod.StartedAt.Add(p.TimeToLive)
	if keptUntil.After(expires) {
		expires = keptUntil
		if p.MaxTimeToLive > 0 {
			expires = earliest(expires, pod.StartedAt.Add(p.MaxTimeToLive))
		}
	}
	return expires
}

// keptUntil is when the Lease's keep ends; zero where there is none. One that
// begins in the future, beyond what clocks may differ, has not begun.
func (l Lease) keptUntil(p Policy, now time.Time) time.Time {
	if l.KeepFrom.IsZero() || l.KeepFor <= 0 || l.KeepFrom.After(now.Add(skew)) {
		return time.Time{}
	}
	length := l.KeepFor
	if p.MaxKeep > 0 {
		length = min(length, p.MaxKeep)
	}
	return l.KeepFrom.Add(length)
}

// skew is how far two clocks may be apart, each of which is wrong by up to an
// hour.
const skew = 2 * time.Hour

// watch decides for a box that sleeps for want of work.
func (d *Decision) watch(p Policy, f Facts, keptUntil, now time.Time) {
	hindered := f.Pod.Hindered
	if f.Pod.ReadyAt.IsZero() && !f.Pod.Silent && hindered == "" {
		return // Nobody can work in it yet.
	}
	lastWork := f.lastWork(now)
	d.renew(p, f, lastWork, now)
	if quiet := lastWork.Add(p.idleAfter()); hindered != "" && now.Before(quiet) {
		d.Again = earliest(d.Again, quiet) // It may come right by itself, and then nothing is to be said.
		return
	}
	sighting := f.Pod.Sighting
	switch {
	case f.Lease.Foreign, hindered == "" && (f.Pod.Silent || f.Pod.TooOld):
		d.Work = &Work{State: Unknown, Last: lastWork, TooOld: f.Pod.TooOld, Foreign: f.Lease.Foreign}
		return
	case hindered != "":
		d.Hindered = hindered
		sighting = &Sighting{Figures: "its container does not run: " + hindered}
	case sighting == nil:
		return // That is asked soon, and the answer is news.
	}
	d.Work = &Work{State: Working, Last: lastWork, Signal: sighting.Signal, Figures: sighting.Figures, Keep: sighting.Keep}
	stop, cause := p.stop(f.Pod.StartedAt, lastWork, now)
	if stop = latest(stop, keptUntil); stop.IsZero() {
		return
	}
	stop = f.due(stop, stop.Sub(lastWork), now)
	if !now.Before(stop) {
		d.Act, d.Cause = ActSleep, cause
		return
	}
	d.settle(p, lastWork, keptUntil, stop, now)
}

// renew sees whether the Lease is due, and looks again when it will be. The
// last work is noted too, after which nothing is due until there is more. What
// woke the box is noted at once: nothing will tell of it later.
func (d *Decision) renew(p Policy, f Facts, lastWork, now time.Time) {
	renewed := f.Lease.RenewTime
	due := renewed.Add(p.RenewEvery())
	switch {
	case renewed.IsZero(), renewed.After(now.Add(time.Minute)):
		d.Renew = lastWork
	case !micro(lastWork).After(micro(renewed)):
	case now.Before(due) && !f.woken.After(renewed):
		d.Again = earliest(d.Again, due)
	default:
		d.Renew = lastWork
	}
}

// settle says how the work of a box stands that goes on, and when that may
// change.
func (d *Decision) settle(p Policy, lastWork, keptUntil, stop, now time.Time) {
	quiet := lastWork.Add(p.idleAfter())
	switch {
	case keptUntil.After(now):
		d.Work.State, d.Work.KeptUntil = Kept, keptUntil
		if !now.Before(quiet) {
			d.SuspendsAt = stop
		} else {
			d.Again = earliest(d.Again, quiet)
		}
		d.Again = earliest(d.Again, keptUntil)
	case now.Before(quiet):
		if d.Work.Keep != "" {
			d.Work.State = Kept
		}
		// A process that asks for it says so all the time: if it has stopped, that
		// shows then.
		d.Again = earliest(d.Again, quiet)
	default:
		d.Work.State = Idle
		d.SuspendsAt = stop
	}
	d.Again = earliest(d.Again, stop)
}

// lastWork is the last that is known of: the Lease's, the agent's, and the
// start of the box. A time in the future is a clock that is wrong, or a wish:
// it counts as now, and the Lease is set right.
func (f Facts) lastWork(now time.Time) time.Time {
	work := latest(f.Pod.StartedAt, f.Pod.ReadyAt, f.Pod.ReadyUntil, f.Lease.RenewTime, f.woken)
	if s := f.Pod.Sighting; s != nil && s.LastWork.Sub(f.Lease.RenewTime).Abs() > same {
		work = latest(work, s.LastWork)
	}
	return earliest(work, now)
}

// same is how much two reckonings of the same work may differ, the one on the
// Lease and that of an operator that was started since, and how late a warning
// may be told: no time that people are told is to change for that.
const same = 2 * time.Second

// stop is when a box is put to sleep that was last at work at that time, and
// why; zero for never. It counts a stop of the schedule that holds, or the
// next one, from which on less patience is due.
func (p Policy) stop(began, lastWork, now time.Time) (at time.Time, cause Cause) {
	if p.IdleTimeout > 0 {
		at, cause = lastWork.Add(p.IdleTimeout), CauseIdle
	}
	due := p.Schedule.stopSince(began, now)
	if due.IsZero() {
		due = next(p.Schedule.stop, now)
	}
	if due.IsZero() {
		return at, cause
	}
	if due = latest(due, lastWork.Add(lateIdle)); at.IsZero() || due.Before(at) {
		return due, CauseScheduled
	}
	return at, cause
}

// earliest is the first of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	for _, t := range times {
		if first.IsZero() || !t.IsZero() && t.Before(first) {
			first = t
		}
	}
	return first
}

func latest(times ...time.Time) time.Time {
	var end time.Time
	for _, t := range times {
		if t.After(end) {
			end = t
		}
	}
	return end
}
