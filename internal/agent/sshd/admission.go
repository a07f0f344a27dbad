package sshd

import (
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// admission bounds the connections that have not authenticated yet, which
// anybody can make. The bound for one address is high, since kube-proxy can
// make all clients look like one.
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

// admit takes a place for a connection from addr. The caller gives it back
// with release.
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
		return nil, fmt.Errorf("%d connections of this address are waiting to authenticate", a.byAddress[host])
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

// expectProbe exempts a connection that the agent itself is about to make:
// a flood from outside must not make the box look dead.
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

// refusals logs refused connections, at most one line a second: a flood of
// connections must not become a flood of logs.
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
