package network

import (
	"errors"
	"net/netip"
	"testing"
)

func TestPick(t *testing.T) {
	all := make([]int, slots)
	for i := range all {
		all[i] = i
	}
	prefixes := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, c := range []struct {
		reason  string
		used    []int
		machine []netip.Prefix
		slot    int
		routed  bool
	}{
		{"an empty machine gets the first", nil, nil, 0, true},
		{"another cluster's slot is not reused", []int{0, 1}, nil, 2, true},
		{"the machine's own network is not used", nil, prefixes("172.31.0.0/24"), 1, true},
		{"a network with a route to other pods is not used", nil, prefixes("10.128.4.0/24"), 1, true},
		{"a network of all of 10/8 keeps its addresses: no route", []int{0}, prefixes("10.0.0.0/8"), 1, false},
	} {
		plan, err := Pick(c.used, c.machine)
		if err != nil || plan.Slot != c.slot || plan.Routed != c.routed {
			t.Errorf("%s: slot %d, routed %t, error %v; want slot %d, routed %t", c.reason, plan.Slot, plan.Routed, err, c.slot, c.routed)
		}
	}
	for reason, machine := range map[string][]netip.Prefix{"all in use": nil, "a network over everything": prefixes("172.16.0.0/12")} {
		used := all
		if machine != nil {
			used = nil
		}
		if _, err := Pick(used, machine); !errors.Is(err, ErrNoSlot) {
			t.Errorf("%s: error %v, want ErrNoSlot", reason, err)
		}
	}
}

func TestPlansDoNotOverlap(t *testing.T) {
	var seen []netip.Prefix
	for slot := range slots {
		p := NewPlan(slot)
		if overlapsAny(p.Link, seen) || overlapsAny(p.Block, seen) {
			t.Fatalf("slot %d overlaps with one before it", slot)
		}
		seen = append(seen, p.Link, p.Block)
		if !p.Link.Contains(p.Host) || !p.Link.Contains(p.Node) || p.Host == p.Node {
			t.Errorf("slot %d: the ends %s and %s are not two addresses of %s", slot, p.Host, p.Node, p.Link)
		}
		if p.Pods.Overlaps(p.Services) || !p.Block.Contains(p.Pods.Addr()) || !p.Services.Contains(p.DNS()) || !p.Services.Contains(p.API()) {
			t.Errorf("slot %d: pods %s, services %s, DNS %s and API %s do not fit into %s", slot, p.Pods, p.Services, p.DNS(), p.API(), p.Block)
		}
	}
}

func TestAppendPrefix(t *testing.T) {
	var got []netip.Prefix
	for _, s := range []string{"default", "0.0.0.0/0", "10.1.2.3", "192.168.7.9/24", "unreachable"} {
		got = appendPrefix(got, s)
	}
	if len(got) != 2 || got[0].String() != "10.1.2.3/32" || got[1].String() != "192.168.7.0/24" {
		t.Errorf("got %v, want the address and the network only: default routes cover everything", got)
	}
}
