package simulation

import (
	"strings"
	"time"

	"devserver.io/devserver/internal/operator/transition"
)

const (
	// prompt is how soon people are told.
	prompt = 20 * time.Second
	// leadOfLast is how long before the stop the last warning is told.
	leadOfLast = 5 * time.Minute
)

// checkWarned is for the moment in which a box is stopped that was to be
// warned: twice, or once where there is little time.
func (w *world) checkWarned(word string) {
	if w.announced.IsZero() {
		w.fault("the box is stopped (it %s), and nobody was told", word)
	}
	p, span := w.pod, w.now.Sub(w.lastSign())
	if p.hindered != "" {
		return // It has no terminal.
	}
	late := leadOfLast + time.Minute
	if word == "expires" && (w.now.Sub(p.readyAt) < late || w.now.Sub(p.mutedUntil) < late) {
		return // Nobody could be told in time, and a time to live waits for no agent.
	}
	if w.truth.skewed {
		w.checkToldInTime(word)
		return
	}
	if word == "expires" {
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
		return // Nobody can tell on which side of the rule it is.
	}
	if since := w.now.Sub(w.truth.excused); since < leads[len(leads)-1]+time.Minute {
		return
	}
	texts := map[string]bool{}
	var latest time.Time
	tellings := 0
	for _, told := range p.told {
		if w.now.Sub(told.at) < leads[len(leads)-1]+prompt && strings.Contains(told.text, word) {
			texts[told.text], latest = true, told.at
			if w.now.Sub(told.at) < leads[len(leads)-1]+time.Second/2 {
				tellings++ // Before, there may have been work that nobody knew of yet.
			}
		}
	}
	switch {
	case len(texts) < len(leads):
		w.fault("the box is stopped (it %s) %s after its last work, and was warned %d times instead of %d", word, span, len(texts), len(leads))
	case tellings > len(leads):
		w.fault("the box was warned %d times instead of %d", tellings, len(leads))
	case w.now.Sub(latest) < leads[0]-prompt:
		w.fault("the box was warned only %s before it stops", w.now.Sub(latest))
	default:
		w.count("stops that were warned of")
	}
}

// checkToldInTime is for a stop where clocks were wrong, so that nobody can tell
// how many warnings were due: one was, and there was time to avert it.
func (w *world) checkToldInTime(word string) {
	lead := leadOfLast
	if patience := w.policy.IdleTimeout; word != "expires" && patience > 0 {
		lead = min(lead, patience/2)
	}
	lead -= prompt
	if w.now.Sub(w.truth.excused) < lead+time.Minute || w.truth.forward.After(w.truth.told) {
		return // By a clock that was set forward since, it was told in time.
	}
	for _, told := range w.pod.told {
		if strings.Contains(told.text, word) && !told.at.Before(w.truth.told) && w.now.Sub(told.at) >= lead {
			return
		}
	}
	w.fault("the box is stopped (it %s), and was not warned %s before", word, lead)
}

// warned is when a stop may be made at the earliest: people are told first, also
// of one that is overdue by then.
func (w *world) warned(due time.Time, span time.Duration) time.Time {
	notice := leadOfLast
	if span < 2*notice {
		notice = span / 2
	}
	told := w.truth.told
	if at := w.announced.Add(-w.opClock); at.After(told) && !at.After(w.now) {
		told = at // By a clock that was set back a little since.
	}
	if told = told.Add(notice); !w.announced.IsZero() && told.After(due) {
		return told
	}
	return due
}
