package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/testing/sshserver"
)

const (
	// endless is what a side that is not read from would send.
	endless = 256 << 20
	// inFlight is far more than all windows and buffers on the way may hold.
	inFlight = 32 << 20
)

// stalls returns what counter has come to once it has not moved for a while,
// or has exceeded every bound.
func stalls(t *testing.T, counter *atomic.Int64) int64 {
	t.Helper()
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for last, same := int64(-1), 0; same < 10; {
		select {
		case <-pace.C:
		case <-t.Context().Done():
			t.Fatal("the test was over before")
		}
		now := counter.Load()
		if now > inFlight {
			return now
		}
		if same++; now != last || now == 0 {
			same = 0
		}
		last = now
	}
	return counter.Load()
}

// pour writes to w until all is written or w is closed, and counts.
func pour(w io.Writer, all int, counter *atomic.Int64) {
	chunk := make([]byte, 1<<15)
	for sent := 0; sent < all; sent += len(chunk) {
		n, err := w.Write(chunk)
		counter.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// A client that does not read blocks its server, and nothing else: memory is bounded,
// its other channels continue, and no byte is lost.
func TestAStalledClientBlocksItsServerOnly(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.2")
	var sent atomic.Int64
	const all = 48 << 20
	w.serveAt(t, "10.0.0.1", func(conn net.Conn) { pour(conn, all, &sent) })
	w.put(running("flood.team", "10.0.0.1", alice))
	w.put(running("b.team", "10.0.0.2", alice))
	client := w.mustLogin(t, alice)
	stalled, err := open(client, "flood.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	if n := stalls(t, &sent); n > inFlight {
		t.Errorf("the gateway took %d bytes from a server for a client that does not read", n)
	}
	channel, err := open(client, "b.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, channel, "not blocked")
	if n, err := io.Copy(io.Discard, stalled); n != all || err != nil {
		t.Errorf("once it reads, the client gets %d bytes (%v), want all %d", n, err, all)
	}
}

// A server that does not read blocks its client, and nothing else.
func TestAStalledServerBlocksItsClientOnly(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.2")
	release := make(chan struct{})
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	w.serveAt(t, "10.0.0.1", func(net.Conn) { <-release })
	w.put(running("deaf.team", "10.0.0.1", alice))
	w.put(running("b.team", "10.0.0.2", alice))
	client := w.mustLogin(t, alice)
	stalled, err := open(client, "deaf.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	go pour(stalled, endless, &sent)
	if n := stalls(t, &sent); n > inFlight {
		t.Errorf("the gateway took %d bytes from a client for a server that does not read", n)
	}
	channel, err := open(client, "b.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, channel, "not blocked")
}

// Clients that have disconnected leave nothing behind, however they did.
func TestNothingIsLeftOfClientsThatAreGone(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	w.put(suspended("suspended.team", alice))
	_ = w.mustLogin(t, alice).Close()
	before := runtime.NumGoroutine()
	var clients []*ssh.Client
	for range 100 {
		client := w.mustLogin(t, alice)
		clients = append(clients, client)
		for range 3 {
			channel, err := open(client, "a.team", 22)
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, channel, strings.Repeat("x", 10_000))
		}
		if _, err := client.NewSession(); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = open(client, "suspended.team", 22) }()
	}
	w.log.await(t, "woken")
	if n := runtime.NumGoroutine() - before; n < 1000 {
		t.Fatalf("%d goroutines serve them all: this test looks at nothing", n)
	}
	for _, client := range clients {
		_ = client.Close()
	}
	// A minute is more than enough.
	patience := time.NewTimer(time.Minute)
	defer patience.Stop()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for len(w.server.all()) > 0 || runtime.NumGoroutine() > before {
		select {
		case <-pace.C:
		case <-patience.C:
			var left strings.Builder
			_ = pprof.Lookup("goroutine").WriteTo(&left, 1)
			t.Fatalf("%d clients are left, and %d goroutines of %d before:\n%s", len(w.server.all()), runtime.NumGoroutine(), before, left.String())
		}
	}
}

// A channel that is requested right before its client disconnects ends at once.
func TestATunnelOfAClientThatIsGoneIsOver(t *testing.T) {
	c := &client{tunnels: map[*tunnel]struct{}{}}
	c.cutAll(errDisconnected)
	ctx, untrack := c.track(types.NamespacedName{Name: "web"})
	defer untrack()
	if err := context.Cause(ctx); !errors.Is(err, errDisconnected) {
		t.Errorf("it goes on: %v", err)
	}
}
