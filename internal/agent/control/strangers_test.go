package control

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"devserver.io/devserver/internal/testing/hangup"
)

// probe requests the health of a server without a network.
func probe(handler http.Handler) (int, string) {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/healthz", nil))
	return answer.Code, answer.Body.String()
}

// Strangers cannot have the server make one handshake after another.
func TestChecksAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks atomic.Int64
		handler := (&Server{Logger: slog.New(slog.DiscardHandler), Check: func(context.Context) error {
			checks.Add(1)
			return nil
		}}).handler()
		for want := int64(1); want <= 3; want++ {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if code, body := probe(handler); code != http.StatusOK {
						t.Errorf("%d %s", code, body)
					}
				})
			}
			wg.Wait()
			<-time.After(checkLifetime - 1)
			probe(handler)
			if got := checks.Load(); got != want {
				t.Errorf("%d checks, want %d", got, want)
			}
			<-time.After(1)
		}
	})
}

// The reason goes to the log once, and not to strangers.
func TestStrangersDoNotLearnWhyAServerIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var health error
		handler := (&Server{Logger: slog.New(slog.NewTextHandler(&log, nil)), Check: func(context.Context) error { return health }}).handler()
		for _, step := range []struct {
			health error
			code   int
			body   string
		}{
			{nil, 200, "ok\n"},
			{errors.New("a secret reason"), 503, "not ready\n"},
			{errors.New("a secret reason"), 503, "not ready\n"},
			{nil, 200, "ok\n"},
		} {
			health = step.health
			if code, body := probe(handler); code != step.code || body != step.body {
				t.Errorf("with %v: %d %q", step.health, code, body)
			}
			<-time.After(checkLifetime)
		}
		if n := strings.Count(log.String(), "a secret reason"); n != 1 {
			t.Errorf("the reason is logged %d times, want once:\n%s", n, log.String())
		}
		if !strings.Contains(log.String(), "ready again") {
			t.Errorf("the log does not contain that the server is ready again:\n%s", log.String())
		}
	})
}

// Strangers who open many connections do not keep the kubelet from probing, even if they
// have the same address.
func TestSilentConnectionsDoNotStopProbes(t *testing.T) {
	address := serve(t, func(context.Context) error { return nil })
	var silent []net.Conn
	for range 2 * maxConnections {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		silent = append(silent, conn)
	}
	if code, body := get(t, client(t, address, key, "").http, "GET", "https://"+address+"/healthz"); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
	for i, conn := range silent[:2*maxConnections-maxConnectionsPerAddress] {
		if !hangup.Of(t, conn) {
			t.Fatalf("connection %d of %d is open", i+1, len(silent))
		}
	}
}

// A connection serves one request, so that it is soon closed.
func TestConnectionsAreNotKept(t *testing.T) {
	address := serve(t, func(context.Context) error { return nil })
	c := client(t, address, key, "").http
	c.Transport.(*http.Transport).DisableKeepAlives = false
	response, err := c.Get("https://" + address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if !response.Close {
		t.Error("the endpoint keeps the connection open")
	}
}
