package activity

import (
	"fmt"
	"sync/atomic"
)

// Traffic records what the clients of the SSH server do. It takes no locks, because
// its methods are called for every piece of data that passes.
type Traffic struct {
	clock Clock

	typed, shown, started latch
	carried               atomic.Int64
	sessions              atomic.Int64
}

// NewTraffic returns a Traffic that uses a clock.
func NewTraffic(clock Clock) *Traffic { return &Traffic{clock: clock} }

// Typed records input from a client to its terminal.
func (t *Traffic) Typed(int) { t.typed.set(t.clock()) }

// Shown records output on a terminal.
func (t *Traffic) Shown(int) { t.shown.set(t.clock()) }

// Carried records bytes of commands without a terminal, of file transfers and of
// forwarded connections, in either direction.
func (t *Traffic) Carried(bytes int) { t.carried.Add(int64(bytes)) }

// Started records that a client starts a session or a forwarded connection. This counts
// as activity, because the user may be reading and may not have typed yet.
func (t *Traffic) Started() { t.started.set(t.clock()) }

// Opened counts a session that has been opened.
func (t *Traffic) Opened() { t.sessions.Add(1) }

// Closed counts a session that has been closed. It is called once for each Opened.
func (t *Traffic) Closed() { t.sessions.Add(-1) }

// Sessions returns how many sessions are open.
func (t *Traffic) Sessions() int { return int(t.sessions.Load()) }

// describe formats what the sessions transfer: "2 ssh sessions, 64 KiB a minute".
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
