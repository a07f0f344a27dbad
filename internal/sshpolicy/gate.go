package sshpolicy

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// KeyExchangeTimeout limits the key exchange, which requires no user input.
	KeyExchangeTimeout = 20 * time.Second
	// LoginTimeout limits the rest of the login, during which a user may have to type
	// a passphrase or touch a hardware key.
	LoginTimeout = 2 * time.Minute

	// MaxLogins is how many connections may be logging in at once. Each takes about
	// 60 KiB.
	MaxLogins = 1024
	// MaxLoginsPerAddress is how many of them may come from one address. Behind a
	// proxy, such as kube-proxy, all clients have the same address.
	MaxLoginsPerAddress = 256
)

// Gate limits the connections that have not logged in yet, in total and per client
// address. Without it, unauthenticated clients could exhaust the server's memory.
type Gate struct {
	total, perAddress, ipv6Bits int

	mu   sync.Mutex
	all  int
	from map[netip.Prefix]int
}

// Lengths of the IPv6 networks that a Gate can count as one address.
const (
	// SiteBits is the smallest network that a site gets, for clients from the Internet.
	SiteBits = 64
	// HostBits is one address, for clients in a cluster, where a node has a /64 for its
	// pods.
	HostBits = 128
)

// NewGate returns a gate that admits at most total connections at once, and at most
// perAddress of them from one IPv4 address or one IPv6 network of that many bits.
func NewGate(total, perAddress, ipv6Bits int) *Gate {
	return &Gate{total: total, perAddress: perAddress, ipv6Bits: ipv6Bits, from: map[netip.Prefix]int{}}
}

// Enter admits a connection from addr, or returns which limit is reached. If it was
// admitted, call leave when the login has succeeded or failed. Calling leave again has no
// effect.
func (g *Gate) Enter(addr net.Addr) (leave func(), err error) {
	origin := g.originOf(addr)
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.all >= g.total:
		return nil, fmt.Errorf("%d connections are waiting to authenticate", g.all)
	case g.from[origin] >= g.perAddress:
		return nil, fmt.Errorf("%d connections from this address are waiting to authenticate", g.from[origin])
	}
	g.all++
	g.from[origin]++
	return sync.OnceFunc(func() { g.leave(origin) }), nil
}

func (g *Gate) leave(origin netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[origin]--; g.from[origin] == 0 {
		delete(g.from, origin)
	}
}

// originOf returns what counts as one address. All addresses that are not IP addresses
// count as one.
func (g *Gate) originOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = g.ipv6Bits
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
