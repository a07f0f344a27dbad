package sshd

import (
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// admission limits the connections that have not authenticated yet, because
// anyone who reaches the port can open them. The limit for one address is high,
// because behind kube-proxy all clients can have the same address.
type admission struct {
	max, maxPerAddress int

	mu        sync.Mutex
	total     int
	byAddress map[string]int
	// exempt are the source addresses of the agent's own probes.
	exempt map[string]bool
}

func newAdmission(limit, perAddress int) *admission {
	return &admission{max: limit, maxPerAddress: perAddress, byAddress: map[string]int{}, exempt: map[string]bool{}}
}

// admit counts a connection from addr, or returns an error if a limit is
// reached. The caller must call release when the connection no longer counts.
func (a *admission) admit(addr net.Addr) (release func(), err error) {
	host, _, splitErr := net.SplitHostPort(addr.String())
	if splitErr != nil {
		host = addr.String()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.total >= a.max:
		return nil, fmt.Errorf("%d connections are waiting to authenticate", a.total)
	case a.byAddress[host] >= a.maxPerAddress:
		return nil, fmt.Errorf("%d connections from this address are waiting to authenticate", a.byAddress[host])
	}
	a.total++
	a.byAddress[host]++
	return sync.OnceFunc(func() { a.release(host) }), nil
}

func (a *admission) release(host string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.total--
	if a.byAddress[host]--; a.byAddress[host] == 0 {
		delete(a.byAddress, host)
	}
}

// expectProbe exempts a connection that the agent itself is about to open, so
// that a flood of connections does not make the server look dead.
func (a *admission) expectProbe(source string) (forget func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.exempt[source] = true
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.exempt, source)
	}
}

func (a *admission) isProbe(addr net.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.exempt[addr.String()]
}

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
