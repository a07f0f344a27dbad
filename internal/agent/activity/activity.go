// Package activity watches whether a server is active, and remembers for each kind of
// activity when it last happened. A Watch, in the spawner, samples CPU time, GPUs and
// files every few seconds. Clients, in the SSH server, records what SSH clients do.
//
// What cannot be measured counts as active, because a server must not be suspended only
// because its activity could not be measured. All times are those of a monotonic
// clock, so setting the time of day has no effect.
package activity

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Clock returns how long the program has run. It never jumps.
type Clock func() time.Duration

// NewClock returns a clock that starts at 0.
func NewClock() Clock {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// latch stores when something last happened. Setting it is one atomic store, so it is
// cheap enough for every piece of data that passes.
type latch struct{ last atomic.Int64 } // nanoseconds of a Clock; 0 is never

func (l *latch) set(now time.Duration) { l.last.Store(int64(max(now, 1))) }

// age returns how long ago it happened, or a negative duration if it never did.
func (l *latch) age(now time.Duration) time.Duration {
	last := l.last.Load()
	if last == 0 {
		return -1
	}
	return max(now-time.Duration(last), 0)
}

// younger returns the smaller of two ages. A negative one stands for never.
func younger(a, b time.Duration) time.Duration {
	if a < 0 || b < 0 {
		return max(a, b)
	}
	return min(a, b)
}

// idleSeconds converts an age for agentapi.Signal.
func idleSeconds(age time.Duration) float64 {
	if age < 0 {
		return -1
	}
	return age.Seconds()
}

// ago formats an age for people.
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
