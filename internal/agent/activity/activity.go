// Package activity watches whether a box works. It samples, every few seconds,
// what shows work without a terminal, is told by the SSH server what its
// clients do, and remembers of each kind of work when there was some last.
//
// Whatever cannot be told counts as work: a box must never be put to sleep
// because its agent was blind. And time is told by the monotonic clock alone,
// so that a clock that is set moves nothing.
package activity

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Clock tells how long the agent has run. It never jumps.
type Clock func() time.Duration

// NewClock starts at 0.
func NewClock() Clock {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// latch remembers when something happened last. Setting it takes one atomic
// store, so that it can stand where every byte passes.
type latch struct{ last atomic.Int64 } // nanoseconds of a Clock; 0 is never

func (l *latch) set(now time.Duration) { l.last.Store(int64(max(now, 1))) }

// age is how long ago it happened, or below 0: never.
func (l *latch) age(now time.Duration) time.Duration {
	last := l.last.Load()
	if last == 0 {
		return -1
	}
	return max(now-time.Duration(last), 0)
}

// younger is the younger of two ages, of which those below 0 are none.
func younger(a, b time.Duration) time.Duration {
	if a < 0 || b < 0 {
		return max(a, b)
	}
	return min(a, b)
}

// idleSeconds is an age as a box.Signal has it.
func idleSeconds(age time.Duration) float64 {
	if age < 0 {
		return -1
	}
	return age.Seconds()
}

// ago says an age for people.
func ago(age time.Duration) string {
	switch {
	case age < time.Minute:
		return fmt.Sprintf("%ds ago", int(age.Seconds()))
	case age < time.Hour:
		return fmt.Sprintf("%dm ago", int(age.Minutes()))
	default:
		return fmt.Sprintf("%dh%dm ago", int(age.Hours()), int(age.Minutes())%60)
	}
}
