package agentclient

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agentapi"
)

// connections are the ways of connecting for a poll that BenchmarkPoll compares.
var connections = map[string]func(*http.Transport){
	"new":     func(*http.Transport) {}, // what New does
	"resumed": func(t *http.Transport) { t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1) },
	"kept":    func(t *http.Transport) { t.DisableKeepAlives, t.DialContext = false, nil },
}

// BenchmarkPoll measures, for each way of connecting, the CPU time of one poll and
// the memory that a client and its agent's endpoint hold between two polls. Both
// figures are those of client and endpoint together:
//
//	go test -run '^$' -bench Poll -benchmem ./internal/operator/agentclient
func BenchmarkPoll(b *testing.B) {
	for name, configure := range connections {
		b.Run(name, func(b *testing.B) {
			address := serveAgent(b)
			poll := func() *Client {
				c, err := New(address)
				if err != nil {
					b.Fatal(err)
				}
				configure(c.http.Transport.(*agentOnly).Transport)
				pollOnce(b, c)
				return c
			}
			const some = 200
			before := heldMemory()
			clients := make([]*Client, some)
			for i := range clients {
				clients[i] = poll()
			}
			held := heldMemory() - before
			c := clients[0]
			started := cpuTime(b)
			for b.Loop() {
				pollOnce(b, c)
			}
			b.ReportMetric(float64((cpuTime(b)-started).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(held)/some/1024, "KiB-held")
			for _, c := range clients {
				c.http.CloseIdleConnections()
			}
		})
	}
}

// serveAgent starts an agent's control endpoint, and returns its address.
func serveAgent(b *testing.B) Address {
	b.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	const token = "the operator's token"
	server := &control.Server{
		Key: key, Token: token, Logger: slog.New(slog.DiscardHandler),
		Poll: func(agentapi.Instructions) agentapi.Report { return agentapi.Report{} },
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, listener) }()
	b.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.Errorf("serving: %v", err)
		}
	})
	return Address{
		HostPort: listener.Addr().String(),
		KeyPEM:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		Token:    token,
	}
}

func pollOnce(b *testing.B, c *Client) {
	b.Helper()
	if _, err := c.Poll(b.Context(), agentapi.Instructions{}); err != nil {
		b.Fatal(err)
	}
}

// heldMemory is the memory in use on heap and stacks, in bytes.
func heldMemory() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
