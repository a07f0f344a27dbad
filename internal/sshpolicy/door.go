package sshpolicy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxLogins is how many connections may be logging in at once. Each takes up to
	// 100 KiB.
	MaxLogins = 1024
	// MaxLoginsPerAddress is how many of them may come from one address. Behind a
	// proxy, such as kube-proxy, all clients have the same address.
	MaxLoginsPerAddress = 256

	// youth is how long a connection may take before a Door drops it in favor of others.
	// Over a slow network, a key exchange takes a second.
	youth = 2 * time.Second
)

// Lengths of the IPv6 networks that a Door can count as one address.
const (
	// SiteBits is the smallest network that a site gets, for clients from the Internet.
	SiteBits = 64
	// HostBits is one address, for clients in a cluster, where a node has a /64 for its
	// pods.
	HostBits = 128
)

// Door limits the connections that have not logged in yet, in total and per client
// address. Without it, unauthenticated clients could exhaust the server's memory.
//
// Connections that do not log in must not lock others out. So the more of the limit is
// used, the more likely a new connection takes the place of another, as with OpenSSH's
// MaxStartups: from half of the limit on at random, and always once it is reached. The
// oldest connection that has sent nothing is dropped first, then the oldest that does not
// have the server's key yet, then a random one of those that may wait for a user, who has
// to confirm that key or to type a passphrase. If all are young, the new connection is refused, so that clients that
// connect at the same time, for example after a restart, do not drop one another.
type Door struct {
	total, perAddress, ipv6Bits int
	random                      func() float64 // in [0, 1)

	mu   sync.Mutex
	all  int
	from map[netip.Prefix][]*Visit // the oldest first
}

// NewDoor returns a door that admits at most total connections at once, and at most
// perAddress of them from one IPv4 address or one IPv6 network of that many bits.
func NewDoor(total, perAddress, ipv6Bits int) *Door {
	return &Door{total: total, perAddress: perAddress, ipv6Bits: ipv6Bits, random: rand.Float64, from: map[netip.Prefix][]*Visit{}}
}

// Visit is a connection that a Door has admitted and that has not logged in yet.
type Visit struct {
	door   *Door
	origin netip.Prefix
	since  time.Time
	drop   func()

	heard   atomic.Bool // the client has sent something
	greeted atomic.Bool // the client has the server's key
	dropped atomic.Bool
}

// Enter admits a connection from addr, or returns which limit is reached. If it is
// admitted, call Leave when the login has succeeded or the connection has ended. The door
// may call drop before, which must close the connection and return at once.
func (d *Door) Enter(addr net.Addr, drop func()) (*Visit, error) {
	v := &Visit{door: d, origin: d.originOf(addr), since: time.Now(), drop: drop}
	d.mu.Lock()
	defer d.mu.Unlock()
	same := d.from[v.origin]
	if !d.makeRoom(same, len(same), d.perAddress, false) {
		return nil, fmt.Errorf("%d connections from this address are waiting to authenticate", len(same))
	}
	most := d.busiest()
	// The address with the most connections gives way to all others.
	if !d.makeRoom(most, d.all, d.total, len(most) > len(d.from[v.origin])+1) {
		return nil, fmt.Errorf("%d connections are waiting to authenticate", d.all)
	}
	d.all++
	d.from[v.origin] = append(d.from[v.origin], v)
	return v, nil
}

// Waiting returns how many connections have not logged in yet.
func (d *Door) Waiting() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

// makeRoom reports whether there is room for one more connection, of which have exist and
// limit are allowed. It may drop one of visits for that.
func (d *Door) makeRoom(visits []*Visit, have, limit int, must bool) bool {
	half := limit / 2
	full := have >= limit
	if !full && d.random()*float64(limit-half) >= float64(have-half) {
		return true
	}
	if v := d.choose(visits, full, full && must); v != nil {
		d.remove(v)
		v.dropped.Store(true)
		v.drop()
		return true
	}
	return !full
}

// choose returns the visit to drop, or nil. If the limit is reached, that may be a young
// one that has sent nothing, and if must is set, any young one.
func (d *Door) choose(visits []*Visit, full, must bool) *Visit {
	var unfinished *Visit
	var waiting []*Visit
	for _, v := range visits {
		young := time.Since(v.since) < youth
		switch {
		case !v.heard.Load():
			if !young || full {
				return v
			}
		case young && !must:
		case v.greeted.Load():
			waiting = append(waiting, v)
		case unfinished == nil:
			unfinished = v
		}
	}
	if unfinished != nil || len(waiting) == 0 {
		return unfinished
	}
	return waiting[int(d.random()*float64(len(waiting)))]
}

// busiest returns the visits from the address that has the most.
func (d *Door) busiest() (most []*Visit) {
	if d.all <= d.total/2 {
		return nil // not needed
	}
	for _, visits := range d.from {
		if len(visits) > len(most) {
			most = visits
		}
	}
	return most
}

// Heard notes that the client has sent something.
func (v *Visit) Heard() {
	if !v.heard.Load() {
		v.heard.Store(true)
	}
}

// Leave ends the visit. Calling it again has no effect.
func (v *Visit) Leave() {
	v.door.mu.Lock()
	defer v.door.mu.Unlock()
	v.door.remove(v)
}

// Dropped reports whether the door has closed the connection in favor of another.
func (v *Visit) Dropped() bool { return v.dropped.Load() }

func (d *Door) remove(v *Visit) {
	visits := d.from[v.origin]
	i := slices.Index(visits, v)
	if i < 0 {
		return
	}
	d.all--
	if visits = slices.Delete(visits, i, i+1); len(visits) > 0 {
		d.from[v.origin] = visits
		return
	}
	delete(d.from, v.origin)
}

// originOf returns what counts as one address. All addresses that are not IP addresses
// count as one.
func (d *Door) originOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = d.ipv6Bits
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}
