package sshd

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/exhaust"
)

// memoryLimit is that of the SSH server's container by default.
const memoryLimit = 128 << 20

// endless writes to a stream until it is closed, and counts the bytes.
func endless(to io.Writer, counter *atomic.Int64) {
	chunk := make([]byte, 32<<10)
	for {
		n, err := to.Write(chunk)
		counter.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// TestUploadsThatNobodyReadsAreBounded attacks with many uploads at the same time. The
// heap includes that of the clients.
func TestUploadsThatNobodyReadsAreBounded(t *testing.T) {
	tests := map[string]func(ts *testServer, client *ssh.Client) io.Writer{
		"to commands": func(ts *testServer, client *ssh.Client) io.Writer {
			session := ts.session(client)
			in, err := session.StdinPipe()
			if err != nil {
				ts.t.Fatal(err)
			}
			if err := session.Start("exec sleep 1000"); err != nil {
				ts.t.Fatal(err)
			}
			return in
		},
		"to forwarded ports": func(ts *testServer, client *ssh.Client) io.Writer {
			listener, err := net.Listen("tcp", "127.0.0.1:0") // The kernel accepts its connections.
			if err != nil {
				ts.t.Fatal(err)
			}
			ts.t.Cleanup(func() { listener.Close() })
			conn, err := client.Dial("tcp", listener.Addr().String())
			if err != nil {
				ts.t.Fatal(err)
			}
			return conn
		},
		"to sessions without a command": func(ts *testServer, client *ssh.Client) io.Writer {
			channel, requests, err := client.OpenChannel("session", nil)
			if err != nil {
				ts.t.Fatal(err)
			}
			go ssh.DiscardRequests(requests)
			return channel
		},
	}
	for name, upload := range tests {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, func(cfg *Config) { cfg.MemoryLimit = memoryLimit })
			before := exhaust.HeapInUse()
			var sent atomic.Int64
			var uploads []io.Writer
			var clients []*ssh.Client
			// They close before their sessions, whose end could not be sent.
			defer func() {
				for _, client := range clients {
					_ = client.Close()
				}
			}()
			for range 4 {
				client := ts.dial()
				clients = append(clients, client)
				for range 16 {
					uploads = append(uploads, upload(ts, client))
				}
			}
			for _, to := range uploads {
				go endless(to, &sent)
			}
			exhaust.Settles(t, &sent)
			const most = memoryLimit / 2
			if size := exhaust.HeapInUse() - before; size > most {
				t.Errorf("the heap has grown by %d MiB, want at most %d", size>>20, most>>20)
			}
		})
	}
}

// TestConnectionsAndChannelsAreBounded: one key cannot lock out others.
func TestConnectionsAndChannelsAreBounded(t *testing.T) {
	ts := serve(t, nil)
	ts.server.limits.connections = sshpolicy.NewBudget(3, 2)
	ts.server.limits.channels = sshpolicy.NewBudget(4, 3)
	other := newSigner(t)
	ts.authorize(ts.key, other)
	first, second := ts.dial(), ts.dial()
	ts.await("both connections to count", func() bool { return ts.server.limits.connections.Used() == 2 })
	var banner string
	config := ts.config("dev", ssh.PublicKeys(ts.key))
	config.BannerCallback = func(message string) error { banner = message; return nil }
	if client, err := ssh.Dial("tcp", ts.address, config); err == nil || !strings.Contains(banner, "the limit for one user is reached") {
		t.Errorf("a third connection: %v, %v, banner %q", client, err, banner)
	}
	third, err := ssh.Dial("tcp", ts.address, ts.config("dev", ssh.PublicKeys(other)))
	if err != nil {
		t.Fatalf("another key: %v", err)
	}
	defer third.Close()

	ts.session(first)
	last := ts.session(second)
	// A remote forward counts as a channel.
	listener, err := first.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Listen("tcp", "127.0.0.1:0"); err == nil {
		t.Error("a second remote forward was accepted")
	}
	var refused *ssh.OpenChannelError
	if _, err := second.NewSession(); !errors.As(err, &refused) || refused.Reason != ssh.ResourceShortage {
		t.Errorf("a fourth channel: %v, want a shortage", err)
	}
	ts.session(third)
	last.Close()
	listener.Close()
	for range 2 {
		ts.await("a free channel", func() bool { _, err := second.NewSession(); return err == nil })
	}
	for _, client := range []*ssh.Client{first, second, third} {
		client.Close()
	}
	for name, budget := range map[string]*sshpolicy.Budget{
		"connections": ts.server.limits.connections, "channels": ts.server.limits.channels, "unread bytes": ts.server.limits.unread,
	} {
		ts.await(name+" to be given back", func() bool { return budget.Used() == 0 })
	}
}

// TestLongRequestsAreRefused: the server stores descriptions as long as a channel exists.
func TestLongRequestsAreRefused(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	long := strings.Repeat("x", 60<<10)
	target := ssh.Marshal(struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{"127.0.0.1", 1, long, 1})
	var refused *ssh.OpenChannelError
	if _, _, err := client.OpenChannel("direct-tcpip", target); !errors.As(err, &refused) || !strings.Contains(refused.Message, "malformed") {
		t.Errorf("a long origin: %v", err)
	}
	session := ts.session(client)
	if err := session.RequestPty(long, 24, 80, nil); err == nil {
		t.Error("a terminal of a type with a long name was accepted")
	}
	if err := session.Start(strings.Repeat(long, 3)); err == nil {
		t.Error("a long command was accepted")
	}
}
