package sshd

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/hangup"
	"devserver.io/devserver/internal/testing/port"
)

// knock opens a connection that never authenticates, and waits until the server
// sends its first byte or closes the connection.
func (ts *testServer) knock() (net.Conn, error) {
	ts.t.Helper()
	nc, err := net.Dial("tcp", ts.address)
	if err != nil {
		ts.t.Fatal(err)
	}
	ts.t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		ts.t.Fatal(err)
	}
	_, err = nc.Read(make([]byte, 1))
	return nc, err
}

// Silent connections are bounded, and lock out neither clients, also behind the same
// address, nor probes.
func TestSilentConnectionsLockNobodyOut(t *testing.T) {
	tests := map[string]struct{ most, perAddress int }{
		"in total":        {32, 1000},
		"for one address": {1000, 32},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, func(cfg *Config) { cfg.MaxPending, cfg.MaxPendingPerAddress = test.most, test.perAddress })
			const silent = 64
			var open []net.Conn
			for i := range silent {
				nc, err := ts.knock()
				if err != nil {
					t.Fatalf("connection %d: %v", i+1, err)
				}
				open = append(open, nc)
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := ts.server.Probe(ctx, ts.address); err != nil {
				t.Errorf("the server looks dead: %v", err)
			}
			ts.session(ts.dial())
			ts.waitLog("other connections are waiting to authenticate")
			// The oldest ones are closed.
			for i, nc := range open[:silent-min(test.most, test.perAddress)] {
				if !hangup.Of(t, nc) {
					t.Fatalf("connection %d is open", i+1)
				}
			}
		})
	}
}

// awaitNobody waits until no connection is waiting to authenticate.
func (ts *testServer) awaitNobody() {
	ts.t.Helper()
	ts.await("the connection not to count any longer", func() bool { return ts.server.door.Waiting() == 0 })
}

func TestLoggedInConnectionsDoNotCount(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.MaxPending = 1 })
	for range 3 {
		var client *ssh.Client
		ts.await("a login", func() bool {
			var err error
			client, err = ssh.Dial("tcp", ts.address, ts.config("dev", ssh.PublicKeys(ts.key)))
			return err == nil
		})
		t.Cleanup(func() { client.Close() })
	}
	ts.await("three connections", func() bool { return len(ts.server.connections()) == 3 })
}

// Slow loris: a client must authenticate in time, whatever it sends or delays.
func TestHandshakeHasADeadline(t *testing.T) {
	tests := map[string]func(net.Conn){
		"sends nothing":        func(net.Conn) {},
		"sends half a line":    func(nc net.Conn) { _, _ = io.WriteString(nc, "SSH-2.0-slo") },
		"stops after its line": func(nc net.Conn) { _, _ = io.WriteString(nc, "SSH-2.0-slow\r\n") },
		"stops before its key": func(nc net.Conn) {
			config := &ssh.ClientConfig{User: "dev", HostKeyCallback: ssh.InsecureIgnoreHostKey(), Auth: []ssh.AuthMethod{
				ssh.PublicKeysCallback(func() ([]ssh.Signer, error) { select {} }),
			}}
			go func() { _, _, _, _ = ssh.NewClientConn(nc, "", config) }()
		},
	}
	for name, behave := range tests {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, func(cfg *Config) {
				cfg.Timeouts = sshpolicy.Timeouts{KeyExchange: 50 * time.Millisecond, Login: 50 * time.Millisecond}
			})
			nc, err := net.Dial("tcp", ts.address)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			behave(nc)
			ts.waitLog("login refused")
			ts.awaitNobody()
		})
	}
}

// Load balancers connect every few seconds and send nothing. That is not logged
// as a refused login.
func TestPortCheckIsNotLogged(t *testing.T) {
	ts := serve(t, nil)
	nc, err := net.Dial("tcp", ts.address)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	ts.session(ts.dial())
	ts.awaitNobody()
	if log := ts.log.String(); strings.Contains(log, "login refused") {
		t.Errorf("the connection is logged:\n%s", log)
	}
}

func TestGarbageIsRefused(t *testing.T) {
	ts := serve(t, nil)
	for _, garbage := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00", strings.Repeat("\x00", 100000), "SSH-1.5-old\r\n"} {
		nc, err := net.Dial("tcp", ts.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, garbage)
		if half, ok := nc.(*net.TCPConn); ok {
			_ = half.CloseWrite()
		}
		_, _ = io.Copy(io.Discard, nc)
		nc.Close()
	}
	ts.session(ts.dial())
}

// A client that has disappeared is disconnected. A client that answers keepalive
// requests stays connected.
func TestKeepalive(t *testing.T) {
	// Long intervals, because on a busy machine an answer may take a while.
	ts := serve(t, func(cfg *Config) { cfg.KeepaliveInterval = 500 * time.Millisecond })
	answering := ts.dial()

	gate := &gate{opened: make(chan struct{})}
	nc, err := net.Dial("tcp", ts.address)
	if err != nil {
		t.Fatal(err)
	}
	gate.Conn = nc
	client, _, _, err := ssh.NewClientConn(gate, ts.address, ts.config("dev", ssh.PublicKeys(ts.key)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	defer close(gate.opened)
	gate.shut.Store(true)
	ts.waitLog("the client has gone silent")
	if _, _, err := answering.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the client that answers was disconnected: %v", err)
	}
}

func TestProbe(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts := serve(t, nil)
	if err := ts.server.Probe(ctx, ts.address); err != nil {
		t.Error(err)
	}
	if strings.Contains(ts.log.String(), "login") {
		t.Errorf("the probe is logged:\n%s", ts.log)
	}

	// Another server has taken the port.
	other := serve(t, nil)
	if err := ts.server.Probe(ctx, other.address); err == nil || !strings.Contains(err.Error(), "different host key") {
		t.Errorf("a server with a different host key: got %v", err)
	}

	// The port belongs to another program, or is closed.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(nc, "HTTP/1.1 400\r\n\r\n")
			nc.Close()
		}
	}()
	if err := ts.server.Probe(ctx, listener.Addr().String()); err == nil || !strings.Contains(err.Error(), "does not exchange keys") {
		t.Errorf("a server that is not an SSH server: got %v", err)
	}
	listener.Close()
	if err := ts.server.Probe(ctx, port.Refusing(t)); err == nil || !strings.Contains(err.Error(), "does not accept connections") {
		t.Errorf("a closed port: got %v", err)
	}

	// A server that does not answer does not block the probe.
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	short, cancelShort := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancelShort()
	if err := ts.server.Probe(short, silent.Addr().String()); err == nil {
		t.Error("the probe of a silent server succeeded")
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the probe did not end at its deadline")
	}
}
