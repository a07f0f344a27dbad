// Package tunnel connects to a port of a pod through the API server, as kubectl
// port-forward does: with SPDY streams in a WebSocket, or with SPDY alone if
// something on the way does not support WebSockets.
//
// Unlike kubectl it sends heartbeats to the node, so neither a NAT nor the kubelet
// drops a silent session, and it gives up a connection that is dead.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	protocol "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"
)

const (
	// heartbeat is how often the node is pinged. NATs drop silent connections after
	// a few minutes, some load balancers after one.
	heartbeat = 15 * time.Second
	// silence is how long a connection without even an answer to a heartbeat lives.
	// It is far longer than a busy server may take to read what it is sent.
	silence = 3 * time.Minute
	// connecting is how long the API server may take to connect to the node.
	connecting = 30 * time.Second
)

// ErrLost is the error of a connection that broke.
var ErrLost = errors.New("the connection through the API server was lost")

// Conn is a connection to a port of a pod.
type Conn struct {
	session httpstream.Connection
	data    httpstream.Stream
	fault   chan string // the node's error, or "", once the connection has ended
}

// Dial connects to a port of a pod.
func Dial(ctx context.Context, config *rest.Config, namespace, pod string, port int) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connecting)
	defer cancel()
	target, err := address(config, namespace, pod)
	if err != nil {
		return nil, err
	}
	session, err := overWebSocket(ctx, config, target)
	if httpstream.IsUpgradeFailure(err) && !isFinal(err) || httpstream.IsHTTPSProxyError(err) {
		session, err = overSPDY(config, target)
	}
	if err != nil {
		return nil, plain(err)
	}
	c := &Conn{session: session, fault: make(chan string, 1)}
	if err := c.open(port); err != nil {
		_ = session.Close()
		return nil, err
	}
	return c, nil
}

// address is the URL of the pod's port-forward subresource.
func address(config *rest.Config, namespace, pod string) (*url.URL, error) {
	config = rest.CopyConfig(config)
	config.GroupVersion, config.APIPath = &corev1.SchemeGroupVersion, "/api"
	base, path, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return base.JoinPath(path, "namespaces", namespace, "pods", pod, "portforward"), nil
}

// plain is the cause of an upgrade error, such as the API server's own error.
func plain(err error) error {
	if failure, ok := errors.AsType[*httpstream.UpgradeFailureError](err); ok && failure.Cause != nil {
		return failure.Cause
	}
	return err
}

// isFinal tells whether SPDY alone would get the same error.
func isFinal(err error) bool {
	err = plain(err)
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err)
}

func overWebSocket(ctx context.Context, config *rest.Config, target *url.URL) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, request, protocol.WebsocketsSPDYTunnelingPrefix+portforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	return streamspdy.NewClientConnectionWithPings(watched{portforward.NewTunnelingConnection("devctl", conn)}, heartbeat)
}

// watched is a connection that ends when it receives nothing for too long. A read
// is always pending, except while received data waits for the reader, which is no
// silence.
type watched struct{ net.Conn }

func (w watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

// overSPDY has its own heartbeats, every five seconds.
func overSPDY(config *rest.Config, target *url.URL) (httpstream.Connection, error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	dialer := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	session, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return session, err
}

// open creates the two streams of the connection.
func (c *Conn) open(port int) error {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	faults, err := c.session.CreateStream(headers)
	if err != nil {
		return fmt.Errorf("opening a stream to the node: %w", err)
	}
	// The client writes nothing to it.
	_ = faults.Close()
	go func() {
		text, _ := io.ReadAll(io.LimitReader(faults, 4096))
		c.fault <- string(text)
	}()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	c.data, err = c.session.CreateStream(headers)
	if err != nil {
		return fmt.Errorf("opening a stream to the node: %w", err)
	}
	return nil
}

func (c *Conn) Write(p []byte) (int, error) { return c.data.Write(p) }

// CloseWrite ends the direction to the pod. The other can still be read.
func (c *Conn) CloseWrite() error { return c.data.Close() }

// Read reads what the pod sends. It returns io.EOF only if the pod closed the
// connection.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	fault := <-c.fault
	c.fault <- fault
	if fault != "" {
		return n, errors.New(fault)
	}
	select {
	case <-c.session.CloseChan():
		return n, ErrLost
	default:
		return n, io.EOF
	}
}

// Close ends the connection at once.
func (c *Conn) Close() error { return c.session.Close() }
