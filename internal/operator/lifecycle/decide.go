package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Decide decides whether a server runs, is suspended or is deleted.
func Decide(p policy.Policy, f Facts, now time.Time) Decision {
	// Round drops the monotonic reading, because nearly every other time comes from
	// another clock, or from this clock before it was set.
	now = now.Round(0)
	suspension := f.Lease.Suspension
	switch {
	case f.Suspend:
		d := suspended(p, f, devv1.ReasonSuspended, now)
		if suspension != nil && d.Act == ActNone {
			// Otherwise, a server that was suspended for being idle before would stay
			// suspended when spec.suspend is set to false.
			d.Act = ActClearSuspension
		}
		return d
	case f.Expired != nil && !f.Resumed && !f.RestartedAt.After(f.Expired.RestartedAt):
		return suspended(p, f, devv1.ReasonExpired, now)
	case f.Resumed:
		// The owner resumed it a moment ago, which counts as activity.
		f.resumedAt = now
	case suspension != nil && !keepsSuspended(suspension, p, f, now):
		// Whatever resumed the server did so after it was suspended, even if its clock
		// disagrees.
		f.resumedAt = suspension.At
	case suspension != nil && !consentLapsed(suspension, f, now):
		return suspended(p, f, suspension.Cause, now)
	}
	d := running(p, f, now)
	if suspension != nil && d.Act == ActNone {
		// If the schedule or the restartedAt that resumed the server is removed later,
		// the server must not be suspended again.
		d.Act = ActClearSuspension
	}
	return d
}

// running returns the decision for a server for which no suspension is in force. It can
// be a new suspension.
func running(p policy.Policy, f Facts, now time.Time) Decision {
	// If the hold ends later than longestHold from now, the clock was set back.
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

// deletion returns when a suspended server is deleted; zero means never. If a change of
// the policy makes a deletion overdue that was never announced, the server is deleted a
// day from now, or after p.DeleteAfter if that is shorter.
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
