package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// health answers the probes of the gateway's pod.
type health struct {
	// ready is set while the gateway knows all servers and accepts connections.
	ready atomic.Bool
}

func (h *health) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !h.ready.Load() {
			http.Error(w, "not accepting connections: reading the DevServers, or stopping", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}

// serveHTTP serves handler until stop is called. It does nothing if address is
// empty. failed is called if it cannot continue. served is the address that it
// listens on, which differs from address if that has port 0.
func serveHTTP(ctx context.Context, address string, handler http.Handler, failed func(error)) (served string, stop func(), err error) {
	if address == "" {
		return "", func() {}, nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return "", nil, fmt.Errorf("listening for probes and metrics: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("serving HTTP on %s: %w", address, err))
		}
	}()
	return listener.Addr().String(), func() { _ = server.Close() }, nil
}
