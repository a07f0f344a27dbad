package control

import (
	"context"
	"net/http"
	"sync"
	"time"
)

const (
	// checkTimeout is shorter than the timeout of the kubelet's probes.
	checkTimeout = 2 * time.Second
	// checkLifetime is how long the result of a check is used again. A check makes a full
	// SSH handshake, and everyone who reaches the port can request one.
	checkLifetime = time.Second
)

// health answers probes.
type health struct {
	server *Server

	mu     sync.Mutex
	known  time.Time // when the last check ended
	err    error     // its result
	logged string
}

// ServeHTTP tells whether the server can be used. The reason goes only to the log,
// because strangers can request this too.
func (h *health) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.check(r.Context()); err != nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// check returns the result of the last check, or checks. Others wait meanwhile, and then
// use the same result.
func (h *health) check(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known.IsZero() && time.Since(h.known) < checkLifetime {
		return h.err
	}
	// The client may disconnect, but others use the result.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	h.err = h.server.Check(ctx)
	h.known = time.Now()
	h.log()
	return h.err
}

// log logs a new reason once.
func (h *health) log() {
	reason := ""
	if h.err != nil {
		reason = h.err.Error()
	}
	switch {
	case reason == h.logged:
		return
	case reason != "":
		h.server.Logger.Warn("not ready", "reason", reason)
	default:
		h.server.Logger.Info("ready again")
	}
	h.logged = reason
}
