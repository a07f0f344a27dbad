// Package network gives each local cluster its own addresses and a network namespace
// with one veth pair to the host. The rules of kube-proxy and the interfaces of pods
// are never on the host, and removing the namespace removes them all.
package network

import (
	"errors"
	"net/netip"
	"slices"
)

// slots is how many clusters one machine can have.
const slots = 100

// Plan is the addresses of one cluster. They are derived from its slot, so the
// addresses of two clusters on a machine never overlap.
type Plan struct {
	Slot int
	// Host and Node are the two ends of the veth pair.
	Host, Node netip.Addr
	// Link is the network with only these two.
	Link netip.Prefix
	// Pods and Services lie in Block.
	Block, Pods, Services netip.Prefix
	// Routed is true if the host gets a route to Block.
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
		// Room for some 4,000 addresses: a pod's address is not reused at once, and servers
		// start and stop by the hundred.
		Pods:     netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 20),
		Services: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 128, 0}), 20),
	}
}

// API is the address of the Service "kubernetes": always the first.
func (p Plan) API() netip.Addr { return p.Services.Addr().Next() }

// DNS is the address of the Service "kube-dns": by convention the tenth.
func (p Plan) DNS() netip.Addr {
	b := p.Services.Addr().As4()
	b[3] = 10
	return netip.AddrFrom4(b)
}

// ErrNoSlot is returned if the whole range is in use.
var ErrNoSlot = errors.New("no free addresses: every /30 at 172.31.0.0 to 172.31.99.0 overlaps with an address or a route of this machine")

// Pick returns the first plan that no other cluster uses and that does not overlap
// with the machine's addresses and routes. used are the slots of the other clusters.
//
// If the machine's network is all of 10.0.0.0/8, as in many companies, pods still get
// addresses from it, which are then valid only inside the node.
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
