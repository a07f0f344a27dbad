package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Warning announces a stop that is near.
type Warning struct {
	At time.Time
	// Cause is the Cause that the Decision will have when the stop is due.
	Cause  string
	Delete bool
	// Last is set for the second of two warnings, or the only one.
	Last bool
	// StartFailure is the Decision's StartFailure.
	StartFailure string
}

// warn sets the Warning if a stop is near. Otherwise it makes the next decision due
// when a warning is.
func (d *Decision) warn(p policy.Policy, f Facts, now time.Time) {
	if !d.SuspendsAt.IsZero() && d.Activity != nil {
		// The stop has been foreseeable since the last activity.
		d.warnOf(Warning{At: d.SuspendsAt, Cause: devv1.ReasonIdle, StartFailure: d.StartFailure}, d.SuspendsAt.Sub(d.Activity.Last), now)
	}
	if !d.ExpiresAt.IsZero() {
		d.warnOf(Warning{At: d.ExpiresAt, Cause: devv1.ReasonExpired, Delete: p.OnExpire == devv1.ExpireDelete}, d.ExpiresAt.Sub(f.Pod.StartedAt), now)
	}
}

// warnOf sets the Warning to w if w is due and announces the nearest stop, and makes
// the next decision due when the next warning is.
func (d *Decision) warnOf(w Warning, span time.Duration, now time.Time) {
	first, last := policy.WarningLeads(span)
	for _, lead := range []time.Duration{first, last} {
		if lead == 0 {
			continue
		}
		if due := w.At.Add(-lead); now.Before(due) {
			d.requeue(due)
			continue
		}
		w.Last = lead == last
		if d.Warning == nil || !w.At.After(d.Warning.At) {
			d.Warning = new(w)
		}
	}
}

// afterLastWarning returns when a stop takes effect: when it is due, but not before the
// last warning has been reported for long enough. That delays a stop that is overdue
// because a policy changed, a clock was set or the operator was down. The span is how
// long the stop was foreseeable. A warning that is a moment late does not delay the
// stop.
func (f Facts) afterLastWarning(stop time.Time, span time.Duration, now time.Time) time.Time {
	if stop.IsZero() {
		return stop
	}
	_, lead := policy.WarningLeads(span)
	return latest(stop, earliest(f.LastWarningAt, now).Add(lead-tolerance))
}
