package sshpolicy

import (
	"net"
	"sync"
	"testing"
)

func TestGateBoundsOneAddressAndAll(t *testing.T) {
	type step struct {
		from string
		want bool
	}
	cases := map[string]struct {
		reason string
		steps  []step
	}{
		"OneAddress": {
			reason: "the third connection of an address is refused, another address is not",
			steps:  []step{{"10.0.0.1", true}, {"10.0.0.1", true}, {"10.0.0.1", false}, {"10.0.0.2", true}},
		},
		"All": {
			reason: "the fifth connection is refused, wherever it comes from",
			steps:  []step{{"10.0.0.1", true}, {"10.0.0.2", true}, {"10.0.0.3", true}, {"10.0.0.4", true}, {"10.0.0.5", false}},
		},
		"IPv6Site": {
			reason: "the addresses of a /64 belong to one site",
			steps:  []step{{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::3", false}, {"2001:db8:0:1::1", true}},
		},
		"MappedIPv4": {
			reason: "an IPv4 address is the same one when it comes through an IPv6 socket",
			steps:  []step{{"10.0.0.1", true}, {"::ffff:10.0.0.1", true}, {"10.0.0.1", false}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			gate := NewGate(4, 2, SiteBits)
			for i, s := range tc.steps {
				if _, err := gate.Enter(&net.TCPAddr{IP: net.ParseIP(s.from), Port: 1000 + i}); (err == nil) != s.want {
					t.Errorf("%s: step %d: Enter(%s) = %v, want admitted %v", tc.reason, i, s.from, err, s.want)
				}
			}
		})
	}
}

func TestGateLeaveMakesRoomOnce(t *testing.T) {
	gate := NewGate(2, 2, SiteBits)
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}
	leave, _ := gate.Enter(addr)
	if _, err := gate.Enter(addr); err != nil {
		t.Fatal("the second connection was refused")
	}
	leave()
	leave()
	if _, err := gate.Enter(addr); err != nil {
		t.Error("a connection was refused after another had left")
	}
	if _, err := gate.Enter(addr); err == nil {
		t.Error("leaving twice made room for two")
	}
}

func TestGateForgetsAddresses(t *testing.T) {
	gate := NewGate(1000, 2, SiteBits)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			if leave, err := gate.Enter(&net.TCPAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i))}); err == nil {
				leave()
			}
		})
	}
	wg.Wait()
	if gate.all != 0 || len(gate.from) != 0 {
		t.Errorf("after all have left: %d connections, %d addresses remembered, want none", gate.all, len(gate.from))
	}
}

func TestGateCountsHostsOfACluster(t *testing.T) {
	gate := NewGate(4, 1, HostBits)
	for _, step := range []struct {
		from string
		want bool
	}{{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::1", false}} {
		if _, err := gate.Enter(&net.TCPAddr{IP: net.ParseIP(step.from)}); (err == nil) != step.want {
			t.Errorf("Enter(%s) = %v, want admitted %v", step.from, err, step.want)
		}
	}
}
