package simulation

import (
	"strings"
	"time"

	"devserver.io/devserver/internal/operator/transition"
)

const (
	// delay is how long it takes at most until a warning is shown.
	delay = 20 * time.Second
	// leadOfLast is how long before the stop the last warning is shown.
	leadOfLast = 5 * time.Minute
	// idleWords and expiryWords are in every warning of such a stop.
	idleWords, expiryWords = "suspended", "time to live"
)

// checkWarned checks, in the moment of a stop, that its warnings were shown: two, or
// one if there was little time.
func (w *world) checkWarned(words string) {
	if w.announced.IsZero() {
		w.fault("the server is stopped (%s) without a warning", words)
	}
	p, span := w.pod, w.now.Sub(w.lastSign())
	if p.startFailure != "" {
		return // It has no terminal.
	}
	late := leadOfLast + time.Minute
	if words == expiryWords && (w.now.Sub(p.readyAt) < late || w.now.Sub(p.unreachableUntil) < late) {
		return // There was no agent to show a warning, for which a time to live does not wait.
	}
	if w.truth.skewed {
		w.checkWarnedInTime(words)
		return
	}
	if words == expiryWords {
		span = w.now.Sub(p.startAt)
	}
	var leads []time.Duration
	switch {
	case span >= 30*time.Minute:
		leads = []time.Duration{leadOfLast, 15 * time.Minute}
	case span >= 10*time.Minute:
		leads = []time.Duration{leadOfLast}
	default:
		leads = []time.Duration{span / 2}
	}
	if span%(10*time.Minute) > 10*time.Minute-transition.Tolerance {
		return // It is within the tolerance of two rules.
	}
	if since := w.now.Sub(w.truth.excused); since < leads[len(leads)-1]+time.Minute {
		return
	}
	texts := map[string]bool{}
	var latest time.Time
	exact := 0
	for _, warning := range p.shown {
		if w.now.Sub(warning.at) < leads[len(leads)-1]+delay && strings.Contains(warning.text, words) {
			texts[warning.text], latest = true, warning.at
			if w.now.Sub(warning.at) < leads[len(leads)-1]+time.Second/2 {
				exact++ // Earlier ones may be of a stop that activity has moved since.
			}
		}
	}
	switch {
	case len(texts) < len(leads):
		w.fault("the server is stopped (%s) %s after its last activity, with %d warnings instead of %d", words, span, len(texts), len(leads))
	case exact > len(leads):
		w.fault("the server had %d warnings instead of %d", exact, len(leads))
	case w.now.Sub(latest) < leads[0]-delay:
		w.fault("the last warning was shown only %s before the stop", w.now.Sub(latest))
	default:
		w.count("stops after all their warnings")
	}
}

// checkWarnedInTime checks a stop with wrong clocks, which make the number of warnings
// uncertain: there was one, early enough to prevent the stop.
func (w *world) checkWarnedInTime(words string) {
	lead := leadOfLast
	if timeout := w.policy.IdleTimeout; words != expiryWords && timeout > 0 {
		lead = min(lead, timeout/2)
	}
	lead -= delay
	if w.now.Sub(w.truth.excused) < lead+time.Minute || w.truth.forward.After(w.truth.warned) {
		return // The warning was early enough by a clock that was set forward since.
	}
	for _, warning := range w.pod.shown {
		if strings.Contains(warning.text, words) && !warning.at.Before(w.truth.warned) && w.now.Sub(warning.at) >= lead {
			return
		}
	}
	w.fault("the server is stopped (%s) without a warning %s before", words, lead)
}

// warned is the earliest time of a stop that is due: it is warned of first, even if
// it is overdue.
func (w *world) warned(due time.Time, span time.Duration) time.Time {
	lead := leadOfLast
	if span < 2*lead {
		lead = span / 2
	}
	warned := w.truth.warned
	if at := w.announced.Add(-w.opClock); at.After(warned) && !at.After(w.now) {
		warned = at // The clock was set back a little since.
	}
	if earliest := warned.Add(lead); !w.announced.IsZero() && earliest.After(due) {
		return earliest
	}
	return due
}
