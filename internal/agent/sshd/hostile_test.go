package sshd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// replaceSpawner replaces the server's spawner, as a user can, and returns what serves its
// connections.
func (ts *testServer) replaceSpawner() net.Listener {
	ts.t.Helper()
	socket := filepath.Join(ts.t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { listener.Close() })
	ts.server.cfg.Spawner = &spawnapi.Client{Socket: socket, UID: os.Getuid(), Relay: true}
	return listener
}

// TestSilentSpawnerDelaysNoRevocation: connections of a removed key are cut at once,
// whatever the spawner does.
func TestSilentSpawnerDelaysNoRevocation(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.KeysInterval = patience })
	ts.replaceSpawner() // It answers no request.
	client, other := ts.dial(), ts.dial()
	for range 3 {
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		go ssh.DiscardRequests(requests)
		go func() { _, _ = channel.SendRequest("auth-agent-req@openssh.com", true, nil) }()
	}
	ts.await("the client's agent to be forwarded", func() bool {
		for _, c := range ts.server.connections() {
			if !c.forwarding.TryLock() {
				return true
			}
			c.forwarding.Unlock()
		}
		return false
	})
	ts.server.SetAuthorizedKeys(nil)
	for _, c := range []*ssh.Client{client, other} {
		if err := c.Wait(); !errors.Is(err, io.EOF) {
			t.Errorf("the connection of a removed key ends with %v", err)
		}
	}
}

// waiting starts a server whose user's container is not running, and a session in it.
func waiting(t *testing.T, command string) (ts *testServer, client *ssh.Client, session *ssh.Session, socket string) {
	t.Helper()
	ts = serve(t, nil)
	socket = ts.server.cfg.Spawner.Socket
	if err := os.Rename(socket, socket+".away"); err != nil {
		t.Fatal(err)
	}
	client = ts.dial()
	session = ts.session(client)
	stderr, err := session.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.RequestPty("xterm", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := session.Start(command); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 10)
	if _, err := io.ReadFull(stderr, line); err != nil || !strings.HasPrefix(string(line), "The contai") {
		t.Fatalf("read %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
	return ts, client, session, socket
}

// TestSessionWaitsForTheContainer: while it waits, its connection works, and the terminal
// gets the window's last size.
func TestSessionWaitsForTheContainer(t *testing.T) {
	ts, client, session, socket := waiting(t, `echo > waits; while test "$(stty size)" != "52 100"; do sleep 0.01; done; exit 3`)
	for height := range 50 {
		if err := session.WindowChange(height+3, 100); err != nil {
			t.Fatal(err)
		}
	}
	if ok, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil || !ok {
		t.Fatalf("a keepalive: %t, %v", ok, err)
	}
	if err := os.Rename(socket+".away", socket); err != nil {
		t.Fatal(err)
	}
	var exit *ssh.ExitError
	if err := session.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 3 {
		t.Errorf("the session ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(ts.home, "waits")); err != nil {
		t.Error(err)
	}
}

// TestNothingIsStartedForAClientThatDisconnected: a user who gave up, and tries again,
// does not run a command twice.
func TestNothingIsStartedForAClientThatDisconnected(t *testing.T) {
	ts, client, session, socket := waiting(t, "echo > ran")
	session.Close()
	ts.await("the session to end", func() bool { return ts.server.cfg.Traffic.Sessions() == 0 })
	if err := os.Rename(socket+".away", socket); err != nil {
		t.Fatal(err)
	}
	ts.server.sessions.await(patience) // until nothing waits any more
	if out, err := ts.session(client).Output("ls"); err != nil || strings.Contains(string(out), "ran") {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestOnlyTheSSHServerStops: terminals show why, and the session ends at once.
func TestOnlyTheSSHServerStops(t *testing.T) {
	ts := serve(t, nil)
	terminal := ts.terminal(t, ssh.TerminalModes{ssh.ECHO: 0}, "echo began; read line")
	terminal.expect("began")
	ts.stopServer()
	terminal.expect("The SSH server is being replaced: connect again.")
	<-ts.ended
}

// TestForwardAgainAtOnce: a port is free once the client has the reply to its request to
// cancel the forwarding.
func TestForwardAgainAtOnce(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	port := 0
	for range 300 {
		listener, err := client.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatalf("port %d: %v", port, err)
		}
		port = listener.Addr().(*net.TCPAddr).Port
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
