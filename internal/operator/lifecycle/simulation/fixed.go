package simulation

import (
	"cmp"
	"slices"
	"time"
)

// fixedLife is how long a server runs that is stopped whatever it does.
const fixedLife = 8 * time.Hour

// fixed computes how the same user's plans would have ended in a server that is
// started when it is needed and stopped fixedLife later.
func (w *world) fixed() {
	slices.SortFunc(w.plans, func(a, b interval) int { return cmp.Compare(a.from.UnixNano(), b.from.UnixNano()) })
	var up time.Time
	for _, plan := range w.plans {
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
