package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Decide returns what becomes of a server.
func Decide(p policy.Policy, f Facts, now time.Time) Decision {
	// Nearly every other time comes from another clock, or from this one before it was
	// set. The monotonic reading of now cannot be compared with them.
	now = now.Round(0)
	suspension := f.Lease.Suspension
	switch {
	case f.Suspend:
		d := suspended(p, f, devv1.ReasonSuspended, now)
		if suspension != nil && d.Act == ActNone {
			// So that setting spec.suspend to false starts the server, even if it was
			// suspended for being idle before.
			d.Act = ActClearSuspension
		}
		return d
	case f.Expired != nil && !f.Resumed && !f.RestartedAt.After(f.Expired.RestartedAt):
		return suspended(p, f, devv1.ReasonExpired, now)
	case f.Resumed:
		// The owner resumed it a moment ago, which counts as activity.
		f.wokenAt = now
	case suspension != nil && !keepsSuspended(suspension, p, f, now):
		// Whatever woke the server did so after it was suspended, even if its clock
		// disagrees.
		f.wokenAt = suspension.At
	case suspension != nil && !consentLapsed(suspension, f, now):
		return suspended(p, f, suspension.Cause, now)
	}
	d := running(p, f, now)
	if suspension != nil && d.Act == ActNone {
		// What woke the server, a schedule or restartedAt, may be removed later.
		d.Act = ActClearSuspension
	}
	return d
}

// running is the decision for a server that nothing keeps suspended. It may be due for
// a suspension now.
func running(p policy.Policy, f Facts, now time.Time) Decision {
	// A longer hold than the longest means that the clock was set back.
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
		d.Renew = f.Pod.ReadyAt // To keep the server awake, a user edits its Lease.
	}
	if d.Act == ActNone {
		d.warn(p, f, now)
	}
	return d
}

// suspended is the decision for a server that does not run.
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

// deletion is when a suspended server is deleted; zero for never. A deletion that
// is due and was never announced, because a policy changed, is announced a day
// before.
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
