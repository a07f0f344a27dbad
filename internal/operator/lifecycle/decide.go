package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Decide decides whether a server runs, is suspended or is deleted.
func Decide(p policy.Policy, f Facts, now time.Time) Decision {
	// Round drops the monotonic clock reading, because now is compared with times from
	// other clocks, and with times that this clock gave before it was adjusted.
	now = now.Round(0)
	suspension := f.Lease.Suspension
	switch {
	case f.Suspend:
		d := suspended(p, f, devv1.ReasonSuspended, now)
		if suspension != nil && d.Act == ActNone {
			// Otherwise, if the server was already suspended for being idle, it would stay
			// suspended after its owner sets spec.suspend to false.
			d.Act = ActClearSuspension
		}
		return d
	case f.Expired != nil && !f.Resumed && !f.RestartedAt.After(f.Expired.RestartedAt):
		return suspended(p, f, devv1.ReasonExpired, now)
	case f.Resumed:
		// The owner resumed it a moment ago, which counts as activity.
		f.resumedAt = now
	case suspension != nil && !keepsSuspended(suspension, p, f, now):
		// The server was resumed after it was suspended. The time recorded for the
		// resumption can be earlier, because it can come from a clock that is wrong.
		f.resumedAt = suspension.At
	case suspension != nil && !consentLapsed(suspension, f, now):
		return suspended(p, f, suspension.Cause, now)
	}
	d := running(p, f, now)
	if suspension != nil && d.Act == ActNone {
		// If a schedule or a restartedAt resumed the server and is removed later, the old
		// suspension must not take effect again.
		d.Act = ActClearSuspension
	}
	return d
}

// running returns the decision for a server that is not suspended. The decision can be
// to suspend it.
func running(p policy.Policy, f Facts, now time.Time) Decision {
	// A hold lasts at most longestHold. If more than that remains, the clock was set
	// back, so the hold is ignored.
	if now.Before(f.HoldUntil) && f.HoldUntil.Sub(now) <= longestHold {
		return Decision{Cause: devv1.ReasonEvicted, RequeueAt: f.HoldUntil}
	}
	d := Decision{Run: true}
	if f.Pod == nil {
		return d
	}
	keptAwakeUntil := f.Lease.KeptAwakeUntil(p.MaxKeepAwake, now)
	expires := p.Expiry(f.Pod.StartedAt, keptAwakeUntil)
	d.ExpiresAt = f.afterLastWarning(expires, expires.Sub(f.Pod.StartedAt), now)
	if !d.ExpiresAt.IsZero() && !now.Before(d.ExpiresAt) {
		if p.OnExpire == devv1.ExpireDelete {
			d.Act = ActDelete
			return d
		}
		d.Act, d.Cause = ActSuspend, devv1.ReasonExpired
		return d
	}
	d.RequeueAt = d.ExpiresAt
	if d.TracksActivity = p.TracksActivity(); d.TracksActivity {
		d.track(p, f, keptAwakeUntil, now)
	} else if p.TimeToLive > 0 && f.Lease.RenewTime.IsZero() {
		d.Renew = f.Pod.ReadyAt // This creates the Lease, which a user edits to keep the server awake.
	}
	if d.Act == ActNone {
		d.warn(p, f, now)
	}
	return d
}

// suspended returns the decision for a server that must not run.
func suspended(p policy.Policy, f Facts, cause string, now time.Time) Decision {
	d := Decision{Cause: cause}
	if d.DeletesAt = deletion(p, f, now); !d.DeletesAt.IsZero() && !now.Before(d.DeletesAt) {
		d.Act = ActDelete
		return d
	}
	d.RequeueAt = d.DeletesAt
	if s := f.Lease.Suspension; s != nil && cause == s.Cause {
		d.StartFailure = s.StartFailure
		if f.Pod != nil {
			d.requeue(s.At.Add(consentLasts))
		}
	}
	if cause == devv1.ReasonIdle || cause == devv1.ReasonScheduled {
		d.requeue(p.Schedule.NextStart(now))
	}
	return d
}

// deletion returns when a suspended server is deleted; zero means never. A change of the
// policy can make a deletion overdue before the status has announced it. The server is
// then deleted a day from now, or p.DeleteAfter from now if that is shorter.
func deletion(p policy.Policy, f Facts, now time.Time) time.Time {
	since := f.SuspendedAt
	if since.IsZero() && f.NoPod {
		since = now // This pass writes it to the status.
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
