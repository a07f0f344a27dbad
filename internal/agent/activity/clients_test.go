package activity

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"devserver.io/devserver/internal/agentapi"
)

// fakeClients are clients of an SSH server whose clock a test steps.
type fakeClients struct {
	t       *testing.T
	clock   *fakeClock
	traffic *Traffic
	clients *Clients
}

func newFakeClients(t *testing.T) *fakeClients {
	t.Helper()
	f := &fakeClients{t: t, clock: &fakeClock{}}
	f.traffic = NewTraffic(f.clock.read)
	f.clients = NewClients(f.traffic, 15*time.Second, time.Minute)
	f.clients.Sample()
	return f
}

// pass lets time pass, and calls do every 15 seconds.
func (f *fakeClients) pass(during time.Duration, do func()) {
	f.t.Helper()
	f.clock.pass(during, do, f.clients.Sample)
}

// check compares the signals of clients with those wanted.
func (f *fakeClients) check(name string, idle float64, value string) {
	f.t.Helper()
	want := agentapi.Signal{Name: name, IdleSeconds: idle, Value: value}
	for _, s := range f.clients.Signals(nil) {
		if s.Name == name && s == want {
			return
		}
	}
	f.t.Errorf("at %v: got %+v, want %+v among them", f.clock.now, f.clients.Signals(nil), want)
}

func TestSSHSignal(t *testing.T) {
	f := newFakeClients(t)
	f.check(agentapi.SignalSSH, -1, "no ssh session")
	f.traffic.Opened()
	f.traffic.Opened()
	// An editor's heartbeat.
	f.pass(10*time.Minute, func() { f.traffic.Carried(15 << 10) })
	f.check(agentapi.SignalSSH, -1, "2 silent ssh sessions")
	f.pass(time.Minute, func() { f.traffic.Carried(16 << 10) })
	f.check(agentapi.SignalSSH, 0, "2 ssh sessions, 64 KiB a minute")
	f.pass(10*time.Minute, nil)
	f.check(agentapi.SignalSSH, 600, "2 silent ssh sessions")
	f.traffic.Closed()
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalSSH, 615, "1 silent ssh session")
	// A new session.
	f.traffic.Started()
	f.check(agentapi.SignalSSH, 0, "1 silent ssh session")
}

func TestBytesOfTheFirstSecondsAreNotMultiplied(t *testing.T) {
	f := newFakeClients(t)
	f.traffic.Carried(60 << 10)
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalSSH, -1, "no ssh session")
	f.traffic.Carried(4 << 10)
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalSSH, 0, "0 ssh sessions, 64 KiB a minute")
}

func TestLowerThresholdOfBytesCountsAsActive(t *testing.T) {
	f := newFakeClients(t)
	f.pass(time.Minute, nil)
	f.clients.SetThresholds(agentapi.Thresholds{SSHBytes: 1 << 20})
	f.check(agentapi.SignalSSH, -1, "no ssh session")
	f.clients.SetThresholds(agentapi.Thresholds{})
	f.check(agentapi.SignalSSH, 0, "no ssh session")
}

// TestStaleBytesAreUnknown shows that a sampler that hangs does not look like clients
// that do nothing.
func TestStaleBytesAreUnknown(t *testing.T) {
	f := newFakeClients(t)
	f.pass(time.Hour, nil)
	f.clock.now += time.Minute
	f.check(agentapi.SignalSSH, -1, "no ssh session")
	f.clock.now += time.Second
	f.check(agentapi.SignalSSH, 0, "ssh unknown: it has not been measured for a while")
}

func TestTerminal(t *testing.T) {
	f := newFakeClients(t)
	f.check(agentapi.SignalTerminal, -1, "no key yet, no output yet")
	f.pass(time.Hour, nil)
	f.traffic.Shown(1)
	f.clock.now += 10 * time.Second
	f.check(agentapi.SignalTerminal, 10, "no key yet, output 10s ago")
	f.traffic.Typed(1)
	f.clock.now += time.Minute
	f.check(agentapi.SignalTerminal, 60, "key 1m ago, output 1m ago")
	f.traffic.Shown(1)
	f.check(agentapi.SignalTerminal, 0, "key 1m ago, output 0s ago")
}

// TestSignalsOfSpawner shows that terminals that the SSH server did not open become part
// of its own signal for terminals, and that the other signals are passed on.
func TestSignalsOfSpawner(t *testing.T) {
	f := newFakeClients(t)
	f.pass(time.Hour, nil)
	f.traffic.Typed(1)
	f.clock.now += time.Minute
	cpu := agentapi.Signal{Name: agentapi.SignalCPU, IdleSeconds: 7, Value: "CPU 3%"}
	for name, test := range map[string]struct {
		elsewhere agentapi.Signal
		idle      float64
		value     string
	}{
		"later":   {agentapi.Signal{IdleSeconds: 5, Value: "input read 5s ago"}, 5, ", input read 5s ago"},
		"earlier": {agentapi.Signal{IdleSeconds: 90, Value: "input read 1m ago"}, 60, ", input read 1m ago"},
		"never":   {agentapi.Signal{IdleSeconds: -1}, 60, ""},
	} {
		test.elsewhere.Name = agentapi.SignalTerminal
		want := []agentapi.Signal{
			{Name: agentapi.SignalTerminal, IdleSeconds: test.idle, Value: "key 1m ago, no output yet" + test.value},
			{Name: agentapi.SignalSSH, IdleSeconds: -1, Value: "no ssh session"},
			cpu,
		}
		f.clients.sampled = f.clock.now
		if diff := cmp.Diff(want, f.clients.Signals([]agentapi.Signal{test.elsewhere, cpu})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
