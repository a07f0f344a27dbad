package gateway

import (
	"bytes"
	"context"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/exhaust"
	"devserver.io/devserver/internal/testing/sshserver"
)

// openSession opens a session without a command.
func openSession(t *testing.T, client *ssh.Client) ssh.Channel {
	t.Helper()
	channel, requests, err := client.OpenChannel("session", nil)
	if err != nil {
		t.Fatal(err)
	}
	go ssh.DiscardRequests(requests)
	return channel
}

// TestOneKeyCannotExhaustMemory attacks with one valid key and one connection. The heap
// includes that of the client.
func TestOneKeyCannotExhaustMemory(t *testing.T) {
	const window = 2 << 20 // what package ssh lets a client send on each channel
	tests := map[string]func(t *testing.T, client *ssh.Client){
		"data of sessions without a command": func(t *testing.T, client *ssh.Client) {
			var sent atomic.Int64
			for range 64 {
				pour(openSession(t, client), window, &sent)
			}
		},
		"standard error of sessions": func(t *testing.T, client *ssh.Client) {
			var sent atomic.Int64
			for range 64 {
				pour(openSession(t, client).Stderr(), window, &sent)
			}
		},
		"standard error of tunnels": func(t *testing.T, client *ssh.Client) {
			var sent atomic.Int64
			for range 64 {
				channel, err := open(client, "deaf.team", 22)
				if err != nil {
					t.Fatal(err)
				}
				pour(channel.Stderr(), window, &sent)
			}
		},
		"tunnels to a server that does not read": func(t *testing.T, client *ssh.Client) {
			var sent atomic.Int64
			var tunnels []ssh.Channel
			for range 128 {
				channel, err := open(client, "deaf.team", 22)
				if err != nil {
					t.Fatal(err)
				}
				tunnels = append(tunnels, channel)
			}
			for _, channel := range tunnels {
				go pour(channel, 2*window, &sent)
			}
			exhaust.Settles(t, &sent)
		},
		"long descriptions of channels": func(t *testing.T, client *ssh.Client) {
			long := ssh.Marshal(target{"suspended.team", 22, strings.Repeat("x", 240<<10), 1})
			for range maxChannels {
				go func() { _, _, _ = client.OpenChannel("direct-tcpip", long) }()
			}
			// The gateway answers in the order of requests.
			_, _, _ = client.OpenChannel("x11", nil)
		},
	}
	for name, attack := range tests {
		t.Run(name, func(t *testing.T) {
			w, mallory := newWorld(t, deaf, func(s *server) { s.limits.unread = sshpolicy.NewBudget(16<<20, 16<<20) }), sshserver.NewKey(t)
			w.put(running("deaf.team", "10.0.0.1", mallory))
			w.put(suspended("suspended.team", mallory))
			client := w.mustLogin(t, mallory)
			before := exhaust.HeapInUse()
			attack(t, client)
			const limit = 32 << 20
			awaitHeap(t, before+limit)
		})
	}
}

// deaf makes all servers read nothing.
func deaf(s *server) {
	s.dial = func(context.Context, string, string) (net.Conn, error) {
		conn, _ := net.Pipe()
		return conn, nil
	}
}

// Two million packets of one byte fit into the window of one channel, and take far more
// memory than two million bytes.
func TestSmallPacketsAreBounded(t *testing.T) {
	w, mallory := newWorld(t, deaf, func(s *server) { s.limits.unread = sshpolicy.NewBudget(1<<20, 1<<20) }), sshserver.NewKey(t)
	w.put(running("deaf.team", "10.0.0.1", mallory))
	channel, err := open(w.mustLogin(t, mallory), "deaf.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	// Each takes 36 bytes on the way. The kernel holds fewer than half of them.
	const all = 1 << 20
	var sent atomic.Int64
	go func() {
		for range all {
			n, err := channel.Write([]byte{0})
			if err != nil {
				return
			}
			sent.Add(int64(n))
		}
	}()
	exhaust.Settles(t, &sent)
	if n := sent.Load(); n == all {
		t.Errorf("the gateway took %d packets for a server that reads nothing", n)
	}
}

// awaitHeap waits until the heap has at most limit bytes.
func awaitHeap(t *testing.T, limit int64) {
	t.Helper()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for {
		size := exhaust.HeapInUse()
		if size <= limit {
			return
		}
		select {
		case <-pace.C:
		case <-patience.C:
			t.Fatalf("the heap has %d MiB, want at most %d", size>>20, limit>>20)
		}
	}
}

// TestConnectionsOfOneUserAreBounded: all keys of a user's servers count as one user, and
// other users can log in.
func TestConnectionsOfOneUserAreBounded(t *testing.T) {
	w := newWorld(t, func(s *server) { s.limits = newLimits(3, 2) })
	mallory, other, alice := sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	for name, key := range map[string]ssh.Signer{"a.m": mallory, "b.m": other, "c.team": alice} {
		ds := running(name, "10.0.0.1", key)
		ds.Spec.Owner = map[string]string{"a.m": "mallory", "b.m": "mallory", "c.team": "alice"}[name]
		w.put(ds)
	}
	first := w.mustLogin(t, mallory)
	w.mustLogin(t, other)
	awaitConnections := func(n int64) {
		t.Helper()
		for w.server.limits.connections.Used() < n {
			if t.Context().Err() != nil {
				t.Fatalf("fewer than %d connections count", n)
			}
			runtime.Gosched()
		}
	}
	awaitConnections(2)
	refusedWith := func(key ssh.Signer, want string) {
		t.Helper()
		var banner string
		_, err := w.login(t, func(c *ssh.ClientConfig) {
			c.BannerCallback = func(message string) error { banner = message; return nil }
		}, key)
		if err == nil || !strings.Contains(banner, want) {
			t.Errorf("login: %v, banner %q, want it refused with %q", err, banner, want)
		}
	}
	refusedWith(mallory, "the limit for one user is reached")
	refusedWith(other, "the limit for one user is reached")
	w.mustLogin(t, alice)
	awaitConnections(3)
	refusedWith(alice, "the limit for all users together is reached")
	w.awaitLogins(t, resultTooMany, 3)
	_ = first.Close()
	for {
		if _, err := w.login(t, nil, mallory); err == nil {
			return
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal("no login although a connection has closed")
		}
	}
}

// TestChannelsOfOneUserAreBounded: the channels of all connections of a user count, and a
// channel that was closed does not.
func TestChannelsOfOneUserAreBounded(t *testing.T) {
	w := newWorld(t, func(s *server) { s.limits.channels = sshpolicy.NewBudget(3, 2) })
	mallory, alice := sshserver.NewKey(t), sshserver.NewKey(t)
	w.put(running("a.m", "10.0.0.1", mallory))
	w.put(running("b.team", "10.0.0.2", alice))
	first := openSession(t, w.mustLogin(t, mallory))
	second := w.mustLogin(t, mallory)
	openSession(t, second)
	_, _, err := second.OpenChannel("session", nil)
	if refused := refusal(err); refused == nil || refused.Reason != ssh.ResourceShortage {
		t.Errorf("a third channel: %v, want a shortage", err)
	}
	openSession(t, w.mustLogin(t, alice))
	_ = first.Close()
	for {
		if _, _, err := second.OpenChannel("session", nil); err == nil {
			return
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal("no channel although another has closed")
		}
	}
}

// A session must have a command within seconds.
func TestASessionWithoutACommandIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		alice := sshserver.NewKey(t)
		s := newServer(sshserver.NewKey(t), newDirectory(), nil, discard())
		devServerHandler(s.directory).OnAdd(running("a.team", "10.0.0.1", alice), false)
		theirs, ours := net.Pipe()
		defer ours.Close()
		listener := one{conns: make(chan net.Conn, 1)}
		listener.conns <- theirs
		close(listener.conns)
		go s.serve(listener)
		conn, channels, requests, err := ssh.NewClientConn(buffered(t, ours), "", &ssh.ClientConfig{
			Auth: []ssh.AuthMethod{ssh.PublicKeys(alice)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
		})
		if err != nil {
			t.Fatal(err)
		}
		client := ssh.NewClient(conn, channels, requests)
		begin := time.Now()
		if n, err := openSession(t, client).Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("read %d bytes, %v", n, err)
		}
		if got := time.Since(begin); got != firstCommandTime {
			t.Errorf("closed after %v, want %v", got, firstCommandTime)
		}
		_ = client.Close()
		s.running.Wait()
	})
}

// buffered returns a connection whose writes do not wait for the other side, because both
// sides of an SSH connection speak first.
func buffered(t *testing.T, conn net.Conn) net.Conn {
	writes, ended := make(chan []byte, 1024), make(chan struct{})
	t.Cleanup(func() { close(ended) })
	go func() {
		for {
			select {
			case p := <-writes:
				_, _ = conn.Write(p)
			case <-ended:
				return
			}
		}
	}()
	return asyncConn{conn, writes}
}

type asyncConn struct {
	net.Conn
	writes chan<- []byte
}

func (a asyncConn) Write(p []byte) (int, error) {
	a.writes <- bytes.Clone(p)
	return len(p), nil
}
