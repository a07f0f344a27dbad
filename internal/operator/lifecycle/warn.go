package lifecycle

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
)

// Warning is a stop that is near.
type Warning struct {
	At     time.Time
	Cause  Cause
	Delete bool
	// Last is set for the second of two warnings.
	Last bool
	// Hindered is the Decision's.
	Hindered string
}

const (
	firstLead = 15 * time.Minute
	lastLead  = 5 * time.Minute
)

// leads are how long before a stop is warned of it. A box that may be without
// work for ten minutes only would be warned for half of its life: it is warned
// once, and later.
func leads(span time.Duration) (first, second time.Duration) {
	switch {
	case span >= 2*firstLead:
		return firstLead, lastLead
	case span >= 2*lastLead:
		return 0, lastLead
	default:
		return 0, span / 2
	}
}

// Warnings are when people are warned of a stop, which they knew to come for so
// long.
func Warnings(stop time.Time, span time.Duration) []time.Time {
	first, second := leads(span)
	if first == 0 {
		return []time.Time{stop.Add(-second)}
	}
	return []time.Time{stop.Add(-first), stop.Add(-second)}
}

// warn sees whether a stop is near, and looks again when one will be.
func (d *Decision) warn(p Policy, f Facts, now time.Time) {
	if !d.SuspendsAt.IsZero() && d.Work != nil {
		// The span is what is left after the last sign of work.
		d.warnOf(Warning{At: d.SuspendsAt, Cause: CauseIdle, Hindered: d.Hindered}, d.SuspendsAt.Sub(d.Work.Last), now)
	}
	if !d.ExpiresAt.IsZero() {
		d.warnOf(Warning{At: d.ExpiresAt, Cause: CauseExpired, Delete: p.OnExpire == devv1.ExpireDelete}, d.ExpiresAt.Sub(f.Pod.StartedAt), now)
	}
}

// warnOf keeps the nearest warning that is due, and notes when the next will be.
func (d *Decision) warnOf(w Warning, span time.Duration, now time.Time) {
	first, second := leads(span)
	for _, lead := range []time.Duration{first, second} {
		if lead == 0 {
			continue
		}
		if due := w.At.Add(-lead); now.Before(due) {
			d.Again = earliest(d.Again, due)
			continue
		}
		w.Last = lead == second
		if d.Warning == nil || !w.At.After(d.Warning.At) {
			d.Warning = new(w)
		}
	}
}
