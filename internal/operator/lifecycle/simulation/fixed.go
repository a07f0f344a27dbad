package simulation

import (
	"cmp"
	"slices"
	"time"
)

// fixedLife is how long a box lives that is stopped without a look at its work.
const fixedLife = 8 * time.Hour

// fixed reckons what the same user's plans would have come to in a box that is
// started when it is needed, and stopped so long after.
func (w *world) fixed() {
	slices.SortFunc(w.work, func(a, b interval) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
	var up time.Time
	for _, plan := range w.work {
		if !plan.from.Before(w.now) {
			break
		}
		if !plan.from.Before(up) {
			up = plan.from.Add(fixedLife)
			w.report.FixedHeld += min(fixedLife, w.now.Sub(plan.from))
		}
		if cut := plan.to.Sub(up); cut > 0 {
			w.report.FixedKilled += cut
		}
	}
}
