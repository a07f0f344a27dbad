// Package kubelet gives tests an HTTPS server that forwards ports and serves logs like a
// kubelet, without running one.
package kubelet

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Kubelet forwards every port of every pod to one address.
type Kubelet struct {
	// Server also serves port forwarding at the API server's path.
	Server *httptest.Server
	// Opened receives a value for each forwarding that is established.
	Opened <-chan struct{}

	to    string
	mu    sync.Mutex
	conns []net.Conn
}

// New starts a kubelet that forwards to address. It stops when the test ends.
func New(t testing.TB, address string) *Kubelet {
	t.Helper()
	opened := make(chan struct{}, 64)
	k := &Kubelet{to: address, Opened: opened}
	mux := http.NewServeMux()
	forward := func(w http.ResponseWriter, r *http.Request) { k.forward(w, r, opened) }
	mux.HandleFunc("/portForward/{namespace}/{pod}", forward)
	mux.HandleFunc("/api/v1/namespaces/{namespace}/pods/{pod}/portforward", forward)
	mux.HandleFunc("/containerLogs/{namespace}/{pod}/{container}", logs)
	k.Server = httptest.NewUnstartedServer(mux)
	k.Server.Config.ConnState = func(conn net.Conn, state http.ConnState) {
		if state == http.StateHijacked {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.conns = append(k.conns, conn)
		}
	}
	k.Server.StartTLS()
	t.Cleanup(func() {
		k.Cut()
		k.Server.Close()
	})
	return k
}

// Port returns the port that the kubelet listens on.
func (k *Kubelet) Port() int { return k.Server.Listener.Addr().(*net.TCPAddr).Port }

// Cut closes the connections of all forwardings, as if the node had failed.
func (k *Kubelet) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, conn := range k.conns {
		_ = conn.Close()
	}
	k.conns = nil
}

// logs prints the parameters of the request.
func logs(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = fmt.Fprintf(w, "logs of %s of %s: %s\n", r.PathValue("container"), r.PathValue("pod"), r.URL.Query().Encode())
}

func (k *Kubelet) forward(w http.ResponseWriter, r *http.Request, opened chan<- struct{}) {
	if _, err := httpstream.Handshake(r, w, []string{portforward.PortForwardProtocolV1Name}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 2)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		streams <- s
		return nil
	})
	if conn == nil {
		return
	}
	faults, data := <-streams, <-streams
	if err := carry(r.Context(), data, k.to, opened); err != nil {
		_, _ = fmt.Fprint(faults, err)
	}
	_ = faults.Close()
	<-conn.CloseChan() // The client closes the connection.
}

// carry copies between a stream and an address, in both directions independently.
func carry(ctx context.Context, data httpstream.Stream, address string, opened chan<- struct{}) error {
	defer data.Close()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("the port does not answer: %w", err)
	}
	defer conn.Close()
	opened <- struct{}{}
	go func() {
		_, _ = io.Copy(conn, data)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(data, conn)
	return nil
}
