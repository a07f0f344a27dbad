package control

import (
	"context"
	"crypto/tls"
	"net/http"
	"runtime"
	"syscall"
	"testing"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// connections are ways to connect for a poll.
var connections = map[string]func(*http.Transport){
	"new":     func(*http.Transport) {}, // as it is shipped
	"resumed": func(t *http.Transport) { t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1) },
	"kept":    func(t *http.Transport) { t.DisableKeepAlives = false },
}

// BenchmarkPoll measures what a poll costs, of both sides together, by the way
// in which the connection is made, and what a client and its agent's endpoint
// hold between two polls:
//
//	go test -run '^$' -bench Poll -benchmem ./internal/agent/control
func BenchmarkPoll(b *testing.B) {
	for name, configure := range connections {
		b.Run(name, func(b *testing.B) {
			address := serve(b, func(context.Context) error { return nil })
			poll := func() *Client {
				c := client(b, address, key, token)
				configure(c.http.Transport.(*http.Transport))
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

func pollOnce(b *testing.B, c *Client) {
	b.Helper()
	if _, err := c.Poll(b.Context(), agentapi.Instructions{}); err != nil {
		b.Fatal(err)
	}
}

// heldMemory is what is in use, on heap and stacks.
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
