package sshd

import (
	"log/slog"
	"net"
	"sync"
	"time"
)

// refusals logs refused connections, at most one line per second, so that a
// flood of connections does not flood the log.
type refusals struct {
	log *slog.Logger

	mu      sync.Mutex
	last    time.Time
	skipped int
}

func (r *refusals) note(addr net.Addr, reason error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.last) < time.Second {
		r.skipped++
		return
	}
	r.log.Warn("connection refused", "remote", addr.String(), "reason", reason.Error(), "unlogged", r.skipped)
	r.last, r.skipped = time.Now(), 0
}
