package sshpolicy

import (
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// never and always are sources of randomness for which no connection is dropped before a
// limit is reached, or one whenever that is possible.
func never() float64  { return 0.999 }
func always() float64 { return 0 }

// A visitor of a door has sent nothing, has said its version, or waits for a passphrase.
const (
	silent  = "silent"
	heard   = "heard"
	greeted = "greeted"
)

func TestDoor(t *testing.T) {
	type step struct {
		from  string
		state string
		wait  time.Duration // before
		drops int           // the number of the step whose connection is dropped; 0: none
		full  bool          // the connection is refused
	}
	tests := map[string]struct {
		reason string
		random func() float64
		steps  []step
	}{
		"oldest silent": {
			reason: "an address that has reached its limit loses its oldest silent connection, however young",
			steps: []step{
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent, drops: 2},
				{from: "10.0.0.1", state: silent, drops: 3},
			},
		},
		"crowd": {
			reason: "a crowd of clients that are logging in does not drop one another",
			steps: []step{
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard, full: true},
			},
		},
		"oldest unfinished": {
			reason: "a client that has not finished its key exchange goes before one that waits for a passphrase",
			steps: []step{
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard, wait: youth, drops: 2},
			},
		},
		"passphrases": {
			reason: "if all wait for a passphrase, a random one goes",
			steps: []step{
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: greeted},
				{from: "10.0.0.1", state: greeted, wait: youth, drops: 4},
			},
		},
		"all": {
			reason: "if the limit for all is reached, the address with the most gives way to others, even young connections",
			steps: []step{
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.2", state: heard},
				{from: "10.0.0.3", state: heard},
				{from: "10.0.0.4", state: heard},
				{from: "10.0.0.5", state: heard, drops: 1},
				{from: "10.0.0.1", state: heard, full: true},
			},
		},
		"early": {
			reason: "from half of the limit on, old connections are dropped at random",
			random: always,
			steps: []step{
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent, wait: youth},
				{from: "10.0.0.1", state: silent, drops: 1},
			},
		},
		"early, young": {
			reason: "before the limit is reached, no young connection is dropped",
			random: always,
			steps: []step{
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
				{from: "10.0.0.1", state: silent},
			},
		},
		"a site": {
			reason: "the addresses of an IPv6 /64 belong to one site",
			steps: []step{
				{from: "2001:db8::1", state: heard},
				{from: "2001:db8::2", state: heard},
				{from: "2001:db8::3", state: heard},
				{from: "2001:db8::4", state: heard},
				{from: "2001:db8::5", state: heard, full: true},
				{from: "2001:db8:0:1::1", state: heard},
			},
		},
		"mapped IPv4": {
			reason: "an IPv4 address is the same one when it comes through an IPv6 socket",
			steps: []step{
				{from: "10.0.0.1", state: heard},
				{from: "::ffff:10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "10.0.0.1", state: heard},
				{from: "::ffff:10.0.0.1", state: heard, full: true},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				door := NewDoor(6, 4, SiteBits)
				door.random = never
				if tc.random != nil {
					door.random = tc.random
				}
				var dropped []int
				for i, s := range tc.steps {
					<-time.After(s.wait)
					before := len(dropped)
					v, err := door.Enter(&net.TCPAddr{IP: net.ParseIP(s.from)}, func() { dropped = append(dropped, i+1) })
					if (err != nil) != s.full {
						t.Errorf("%s: step %d: got %v, want refused: %t", tc.reason, i+1, err, s.full)
					}
					if v != nil {
						v.heard.Store(s.state != silent)
						v.greeted.Store(s.state == greeted)
					}
					want := "[]"
					if s.drops > 0 {
						want = fmt.Sprint([]int{s.drops})
					}
					if got := fmt.Sprint(dropped[before:]); got != want {
						t.Errorf("%s: step %d drops %s, want %s", tc.reason, i+1, got, want)
					}
				}
			})
		})
	}
}

func TestDoorLeaveMakesRoomOnce(t *testing.T) {
	door := NewDoor(2, 2, SiteBits)
	door.random = never
	enter := func() *Visit {
		v, err := door.Enter(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, func() {})
		if err == nil {
			v.heard.Store(true)
		}
		return v
	}
	first, second := enter(), enter()
	if first == nil || second == nil {
		t.Fatal("a connection was refused")
	}
	first.Leave()
	first.Leave()
	if enter() == nil {
		t.Error("a connection was refused after another had left")
	}
	if enter() != nil {
		t.Error("leaving twice made room for two")
	}
}

func TestDoorForgetsAddresses(t *testing.T) {
	door := NewDoor(1000, 2, SiteBits)
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() {
			if v, err := door.Enter(&net.TCPAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i))}, func() {}); err == nil {
				v.Leave()
			}
		})
	}
	wg.Wait()
	if door.all != 0 || len(door.from) != 0 {
		t.Errorf("after all have left: %d connections, %d addresses remembered, want none", door.all, len(door.from))
	}
}

func TestDoorCountsHostsOfACluster(t *testing.T) {
	door := NewDoor(4, 1, HostBits)
	door.random = never
	for _, step := range []struct {
		from string
		want bool
	}{{"2001:db8::1", true}, {"2001:db8::2", true}, {"2001:db8::1", false}} {
		v, err := door.Enter(&net.TCPAddr{IP: net.ParseIP(step.from)}, func() {})
		if (err == nil) != step.want {
			t.Errorf("Enter(%s) = %v, want admitted %v", step.from, err, step.want)
		}
		if v != nil {
			v.heard.Store(true)
		}
	}
}
