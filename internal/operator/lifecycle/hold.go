package lifecycle

import (
	"slices"
	"time"
)

const (
	// holdAfter failures within holdWindow hold a box back: Kubernetes itself
	// makes an evicted pod again at once, without end.
	holdAfter  = 3
	holdWindow = 10 * time.Minute
	firstHold  = time.Minute
	longest    = 10 * time.Minute
)

// HoldUntil is until when a box is held back whose pods failed at these times,
// in their order; zero where it is not. Each further failure doubles the wait.
func HoldUntil(failures []time.Time) time.Time {
	n := len(failures)
	if n < holdAfter || failures[n-1].Sub(failures[n-holdAfter]) > holdWindow {
		return time.Time{}
	}
	hold := firstHold
	for i := n - holdAfter; i > 0 && hold < longest; i-- {
		hold = min(2*hold, longest)
	}
	return failures[n-1].Add(hold)
}

// Recent are the failures that still matter after another one at now.
func Recent(failures []time.Time, now time.Time) []time.Time {
	failures = slices.DeleteFunc(failures, func(t time.Time) bool { return now.Sub(t) > longest+holdWindow })
	return append(failures, now)
}
