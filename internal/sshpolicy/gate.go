package sshpolicy

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// KeyExchangeTimeout bounds the key exchange, which no person takes part in.
	KeyExchangeTimeout = 20 * time.Second
	// LoginTimeout bounds the rest of the login, in which a person may have to
	// type a passphrase or touch a key.
	LoginTimeout = 2 * time.Minute

	// MaxLogins is how many connections may be logging in at once. Each takes
	// some 60 KiB.
	MaxLogins = 1024
	// MaxLoginsPerAddress is how many of them may come from one address. A
	// proxy in front, kube-proxy for one, makes all clients look like one.
	MaxLoginsPerAddress = 256
)

// Gate counts the connections that have not logged in yet, in all and for each
// client address. A server that takes everyone in at this point can be filled
// up by anyone.
type Gate struct {
	total, perAddress int

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

// NewGate returns a gate that lets in at most total connections at once, and
// at most perAddress of them from one address.
func NewGate(total, perAddress int) *Gate {
	return &Gate{total: total, perAddress: perAddress, from: map[netip.Prefix]int{}}
}

// Enter asks to let a connection from addr in. If it may, leave must be called
// once the login is over, however it ended; calling it again does nothing.
func (g *Gate) Enter(addr net.Addr) (leave func(), ok bool) {
	origin := originOf(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.total || g.from[origin] >= g.perAddress {
		return nil, false
	}
	g.all++
	g.from[origin]++
	return sync.OnceFunc(func() { g.leave(origin) }), true
}

func (g *Gate) leave(origin netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[origin]--; g.from[origin] == 0 {
		delete(g.from, origin)
	}
}

// originOf is what counts as one address: with IPv6, a /64, which is the least
// that a site gets. Addresses of other kinds all count as one.
func originOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
