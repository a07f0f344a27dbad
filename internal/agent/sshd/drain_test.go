package sshd

import (
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agent/gpu"
	"devserver.io/devserver/internal/agentapi"
)

func TestDrainedBoxRefusesSessions(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	before := ts.screen(client, "read line; echo heard")
	if ts.server.Drain(func() bool { return false }, time.Hour) {
		t.Fatal("a box at work was drained")
	}
	if out, err := ts.session(client).Output("echo works"); err != nil || string(out) != "works\n" {
		t.Fatalf("after a drain that was refused: %q, %v", out, err)
	}
	if !ts.server.Drain(func() bool { return true }, time.Hour) {
		t.Fatal("an idle box was not drained")
	}
	for name, client := range map[string]*ssh.Client{"a new connection": ts.dial(), "an old connection": client} {
		session := ts.session(client)
		var said strings.Builder
		session.Stderr = &said
		err := session.Run("echo works")
		exit, ok := errors.AsType[*ssh.ExitError](err)
		if !ok || exit.ExitStatus() != 255 || said.String() != "This box is going to sleep. Connect again in a moment.\n" {
			t.Errorf("%s: got %v, %q", name, err, said.String())
		}
		if _, err := client.Dial("tcp", ts.address); err == nil || !strings.Contains(err.Error(), "going to sleep") {
			t.Errorf("%s: a forward gives %v", name, err)
		}
	}
	// What was open stays.
	before.typeLine("hello")
	before.expect("heard")
	// Its time is over.
	if !ts.server.Drain(func() bool { return true }, 0) {
		t.Fatal("it was not drained again")
	}
	if out, err := ts.session(client).Output("echo works"); err != nil || string(out) != "works\n" {
		t.Errorf("after its time: %q, %v", out, err)
	}
}

// A session that starts while the box is drained either keeps it from that, or
// is refused.
func TestDrainAgainstStart(t *testing.T) {
	for range 200 {
		clock := activity.NewClock()
		traffic := activity.NewTraffic(clock)
		watch := activity.New(activity.Config{
			Clock: clock, Traffic: traffic, Interval: time.Hour, Window: time.Minute,
			CgroupDir: t.TempDir(), ProcDir: "/proc", GPU: &gpu.Reader{}, GPUInterval: time.Hour,
			KeptAwakeBy: func(time.Duration) (string, error) { return "", nil },
		})
		idle := func() bool {
			seconds, signal := agentapi.Report{UpSeconds: 100, Signals: watch.Signals()}.Idle()
			return seconds == 100 && signal == ""
		}
		p := newProcesses(traffic)
		var started, drained bool
		var both sync.WaitGroup
		both.Go(func() {
			running, err := p.start(exec.Command("/bin/true"), nil)
			if started = err == nil; started {
				p.wait(running)
				p.done()
			}
		})
		both.Go(func() { drained = p.drain(idle, time.Hour) })
		both.Wait()
		if started == drained {
			t.Fatalf("started %v, drained %v", started, drained)
		}
	}
}
