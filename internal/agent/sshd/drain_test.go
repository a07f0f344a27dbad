package sshd

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/activity"
	"devserver.io/devserver/internal/agentapi"
)

func TestDrainedServerRefusesSessions(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	before := ts.screen(client, "read line; echo heard")
	if ts.server.Drain(func() bool { return false }, time.Hour) {
		t.Fatal("an active server was drained")
	}
	if out, err := ts.session(client).Output("echo works"); err != nil || string(out) != "works\n" {
		t.Fatalf("after a refused drain: got %q, %v", out, err)
	}
	if !ts.server.Drain(func() bool { return true }, time.Hour) {
		t.Fatal("an idle server was not drained")
	}
	for name, client := range map[string]*ssh.Client{"a new connection": ts.dial(), "an old connection": client} {
		session := ts.session(client)
		var stderr strings.Builder
		session.Stderr = &stderr
		err := session.Run("echo works")
		exit, ok := errors.AsType[*ssh.ExitError](err)
		if !ok || exit.ExitStatus() != 255 || stderr.String() != "This server is being suspended. Connect again in a minute to wake it.\n" {
			t.Errorf("%s: got %v, %q", name, err, stderr.String())
		}
		if _, err := client.Dial("tcp", ts.address); err == nil || !strings.Contains(err.Error(), "is being suspended") {
			t.Errorf("%s: a forward: got %v", name, err)
		}
	}
	// Open sessions stay.
	before.typeLine("hello")
	before.expect("heard")
	// A drain ends after its time.
	if !ts.server.Drain(func() bool { return true }, 0) {
		t.Fatal("an idle server was not drained again")
	}
	if out, err := ts.session(client).Output("echo works"); err != nil || string(out) != "works\n" {
		t.Errorf("after the drain: got %q, %v", out, err)
	}
}

// TestStoppingServerLetsClientsHangUp stops a server under a client that has
// its exit status and has not closed the connection yet.
func TestStoppingServerLetsClientsHangUp(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.HangUpTime = patience })
	client := ts.dial()
	session := ts.session(client)
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("read %q, %v", line, err)
	}
	ts.stop()
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 7 {
		t.Fatalf("the session ended with %v, want exit status 7", err)
	}
	// The client does not close the connection before the server waits for that.
	ts.await("the server to wait for its clients", func() bool {
		select {
		case <-ts.ended:
			t.Fatal("the server ended before its client had closed the connection")
		default:
		}
		return ts.server.awaitingClients.Load()
	})
	if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Fatalf("the server cut the connection off: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("closing the connection: %v", err)
	}
	<-ts.ended
	ts.waitLog(`msg="connection ended"`)
	if log := ts.log.String(); !strings.Contains(log, "the client closed it") {
		t.Errorf("the client did not close the connection itself:\n%s", log)
	}
}

// TestStoppingServerCutsOffSilentClients: a client that stays connected does
// not keep the server from ending, whether it had a session or not.
func TestStoppingServerCutsOffSilentClients(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.HangUpTime = time.Millisecond })
	if err := ts.session(ts.dial()).Run("true"); err != nil {
		t.Fatal(err)
	}
	clients := []*ssh.Client{ts.dial(), ts.dial()}
	if err := ts.session(clients[0]).Run("true"); err != nil {
		t.Fatal(err)
	}
	ts.await("three connections", func() bool { return len(ts.server.connections()) == 3 })
	ts.stop()
	<-ts.ended
	for _, client := range clients {
		if err := client.Wait(); !errors.Is(err, io.EOF) {
			t.Errorf("the client sees %v, want the end of the connection", err)
		}
	}
	if got := strings.Count(ts.log.String(), "the server is stopping"); got != 3 {
		t.Errorf("%d connections were cut off, want 3:\n%s", got, ts.log)
	}
}

// A session that starts at the same time as a drain either prevents the drain or
// is refused.
func TestDrainAgainstStart(t *testing.T) {
	for range 200 {
		traffic := activity.NewTraffic(activity.NewClock())
		clients := activity.NewClients(traffic, time.Hour, time.Minute)
		idle := func() bool {
			seconds, signal := agentapi.Report{UpSeconds: 100, Signals: clients.Signals(nil)}.Idle()
			return seconds == 100 && signal == ""
		}
		s := &sessions{traffic: traffic}
		var started, drained bool
		var both sync.WaitGroup
		both.Go(func() {
			if started = s.begin() == nil; started {
				s.done()
			}
		})
		both.Go(func() { drained = s.drain(idle, time.Hour) })
		both.Wait()
		if started == drained {
			t.Fatalf("started %v, drained %v", started, drained)
		}
	}
}
