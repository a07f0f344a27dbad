package activity

import (
	"fmt"
	"sync/atomic"
)

// Traffic is what the SSH server notes of its clients. It takes no locks: its
// methods are called for every piece of data that passes.
type Traffic struct {
	clock Clock

	typed, shown, started latch
	carried               atomic.Int64
	sessions              atomic.Int64
}

// NewTraffic notes by a clock.
func NewTraffic(clock Clock) *Traffic { return &Traffic{clock: clock} }

// Typed notes that a client sent something to its terminal.
func (t *Traffic) Typed(int) { t.typed.set(t.clock()) }

// Shown notes output on a terminal.
func (t *Traffic) Shown(int) { t.shown.set(t.clock()) }

// Carried notes bytes of commands without a terminal, of file transfers and of
// forwards, in either direction.
func (t *Traffic) Carried(bytes int) { t.carried.Add(int64(bytes)) }

// Started notes that a client begins something. That somebody comes is work:
// they may be reading, and have not typed yet.
func (t *Traffic) Started() { t.started.set(t.clock()) }

// Opened counts a session that is open from now on.
func (t *Traffic) Opened() { t.sessions.Add(1) }

// Closed is called once for every Opened.
func (t *Traffic) Closed() { t.sessions.Add(-1) }

// Sessions are those that are open now.
func (t *Traffic) Sessions() int { return int(t.sessions.Load()) }

// describe says what the sessions carry.
func (t *Traffic) describe(perMinute int64, silent bool) string {
	n, noun := t.Sessions(), "sessions"
	if n == 1 {
		noun = "session"
	}
	switch {
	case !silent:
		return fmt.Sprintf("%d ssh %s, %d KiB a minute", n, noun, perMinute>>10)
	case n == 0:
		return "no ssh session"
	default:
		return fmt.Sprintf("%d silent ssh %s", n, noun)
	}
}
