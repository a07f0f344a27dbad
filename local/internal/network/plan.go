// Package network gives each local cluster addresses of its own and a network
// namespace with one cable to the host, so that kube-proxy's rules and the pods'
// interfaces never touch the host, and removing the namespace removes them all.
package network

import (
	"errors"
	"net/netip"
	"slices"
)

// slots is how many clusters fit beside each other.
const slots = 100

// Plan is the addresses of one cluster. Everything follows from its slot, so that
// no two clusters of a machine overlap even where they do not meet.
type Plan struct {
	Slot int
	// Host and Node are the two ends of the cable.
	Host, Node netip.Addr
	// Link holds just these two.
	Link netip.Prefix
	// Pods and Services lie in Block.
	Block, Pods, Services netip.Prefix
	// Routed says whether the host gets a route to Block.
	Routed bool
}

// NewPlan computes the addresses of a slot.
func NewPlan(slot int) Plan {
	link := netip.AddrFrom4([4]byte{172, 31, byte(slot), 0})
	second := byte(128 + slot)
	host := link.Next()
	return Plan{
		Slot:  slot,
		Link:  netip.PrefixFrom(link, 30),
		Host:  host,
		Node:  host.Next(),
		Block: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 16),
		// Room for some 4,000 addresses: a pod's address is not given out again
		// at once, and boxes come and go by the hundred.
		Pods:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 20),
		Services: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 128, 0}), 20),
	}
}

// API is the address of the Service "kubernetes": by definition the first.
func (p Plan) API() netip.Addr { return p.Services.Addr().Next() }

// DNS is the address of the Service "kube-dns": the tenth, as everywhere.
func (p Plan) DNS() netip.Addr {
	b := p.Services.Addr().As4()
	b[3] = 10
	return netip.AddrFrom4(b)
}

// ErrNoSlot says that the whole range is in use.
var ErrNoSlot = errors.New("no free addresses: every /30 at 172.31.0.0 to 172.31.99.0 overlaps with an address or a route of this machine")

// Pick returns the first plan that no other cluster has and that overlaps with
// none of the machine's addresses and routes. used are the slots of the other clusters.
//
// Where the machine's network has all of 10.0.0.0/8, as many companies' have, pods
// still get addresses of it, which then mean something inside the node only.
func Pick(used []int, machine []netip.Prefix) (Plan, error) {
	for _, routed := range []bool{true, false} {
		for slot := range slots {
			plan := NewPlan(slot)
			plan.Routed = routed
			if slices.Contains(used, slot) || overlapsAny(plan.Link, machine) || routed && overlapsAny(plan.Block, machine) {
				continue
			}
			return plan, nil
		}
	}
	return Plan{}, ErrNoSlot
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	return slices.ContainsFunc(others, p.Overlaps)
}
