package lifecycle

import "time"

// asleep is the decision for a box that does not run.
func asleep(p Policy, f Facts, cause Cause, now time.Time) Decision {
	d := Decision{Cause: cause}
	if d.DeletesAt = p.deletion(f, now); !d.DeletesAt.IsZero() && !now.Before(d.DeletesAt) {
		d.Act = ActDelete
		return d
	}
	d.Again = d.DeletesAt
	if m := f.Lease.Mark; m != nil && cause == m.Cause {
		d.Hindered = m.Hindered
		if f.Pod != nil {
			d.Again = earliest(d.Again, m.At.Add(consent))
		}
	}
	if cause == CauseIdle || cause == CauseScheduled {
		d.Again = earliest(d.Again, next(p.Schedule.start, now))
	}
	return d
}

// deletion is when a sleeping box is deleted; zero for never. One that is due
// without having been told, by a policy that changed, is told a day before.
func (p Policy) deletion(f Facts, now time.Time) time.Time {
	since := f.SuspendedAt
	if since.IsZero() && f.Gone {
		since = now // The status is about to say so.
	}
	if p.DeleteAfter == 0 || since.IsZero() {
		return time.Time{}
	}
	at := since.Add(p.DeleteAfter)
	if now.Before(at) {
		return at
	}
	return earliest(f.DeletesAt, now.Add(min(p.DeleteAfter, 24*time.Hour)))
}
