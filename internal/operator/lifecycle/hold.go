package lifecycle

import (
	"slices"
	"time"
)

const (
	// holdAfter failures within holdWindow delay the next pod. Kubernetes itself
	// replaces an evicted pod at once, however often that happens.
	holdAfter   = 3
	holdWindow  = 10 * time.Minute
	firstHold   = time.Minute
	longestHold = 10 * time.Minute
)

// HoldUntil returns the time until which the next pod is delayed after failures at
// these times, which are in order; zero means no delay. Each further failure doubles
// the delay.
func HoldUntil(failures []time.Time) time.Time {
	n := len(failures)
	if n < holdAfter || failures[n-1].Sub(failures[n-holdAfter]) > holdWindow {
		return time.Time{}
	}
	hold := firstHold
	for i := n - holdAfter; i > 0 && hold < longestHold; i-- {
		hold = min(2*hold, longestHold)
	}
	return failures[n-1].Add(hold)
}

// WithFailure adds a failure at now, and drops those that no longer count.
func WithFailure(failures []time.Time, now time.Time) []time.Time {
	failures = slices.DeleteFunc(failures, func(t time.Time) bool { return now.Sub(t) > longestHold+holdWindow })
	return append(failures, now)
}
