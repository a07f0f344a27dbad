package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Warning announces a stop that is near.
type Warning struct {
	At time.Time
	// Cause is the Decision's once the stop is due.
	Cause  string
	Delete bool
	// Last is set for the second of two warnings, or the only one.
	Last bool
	// StartFailure is the Decision's.
	StartFailure string
}

// warn sees whether a stop is near, and decides again when one will be.
func (d *Decision) warn(p policy.Policy, f Facts, now time.Time) {
	if !d.SuspendsAt.IsZero() && d.Activity != nil {
		// The span is the time since the last activity.
		d.warnOf(Warning{At: d.SuspendsAt, Cause: devv1.ReasonIdle, StartFailure: d.StartFailure}, d.SuspendsAt.Sub(d.Activity.Last), now)
	}
	if !d.ExpiresAt.IsZero() {
		d.warnOf(Warning{At: d.ExpiresAt, Cause: devv1.ReasonExpired, Delete: p.OnExpire == devv1.ExpireDelete}, d.ExpiresAt.Sub(f.Pod.StartedAt), now)
	}
}

// warnOf keeps the warning of the nearest stop, if it is due, and decides again
// when the next one is.
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

// afterLastWarning is when a stop takes effect that is due at a time. People are
// warned for the last time before, even of a stop that is overdue because of a
// policy, a clock, or the operator's absence. The span is how long it was
// foreseeable. A warning that is given a moment late moves no stop.
func (f Facts) afterLastWarning(stop time.Time, span time.Duration, now time.Time) time.Time {
	if stop.IsZero() {
		return stop
	}
	_, lead := policy.WarningLeads(span)
	return latest(stop, earliest(f.LastWarningAt, now).Add(lead-tolerance))
}
