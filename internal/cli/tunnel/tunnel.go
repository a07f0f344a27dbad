// Package tunnel connects to a port of a pod through the API server, by the way
// that kubectl port-forward goes: SPDY streams in a WebSocket, or, where
// something on the way knows no WebSockets, SPDY alone.
//
// What kubectl lacks is here: frames that go all the way to the node every few
// seconds, so that neither a NAT nor the kubelet takes a silent session for a
// dead one; and an end of the wait for one that is dead.
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
	// heartbeat is how often the node is asked for a sign of life. NATs forget
	// connections after a few minutes, some load balancers after one.
	heartbeat = 15 * time.Second
	// silence without even an answer to a heartbeat is the end. It is far longer
	// than a box may be too busy to read what is sent to it.
	silence = 3 * time.Minute
	// connecting is how long the API server may take to get through to the node.
	connecting = 30 * time.Second
)

// ErrLost is the error of a connection that broke off.
var ErrLost = errors.New("the connection through the API server broke off")

// Conn is a connection to a port of a pod.
type Conn struct {
	session httpstream.Connection
	data    httpstream.Stream
	fault   chan string // what the node says went wrong, once it is over
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

// plain is what stands behind an error of the upgrade, such as the API server's
// own answer.
func plain(err error) error {
	if failure, ok := errors.AsType[*httpstream.UpgradeFailureError](err); ok && failure.Cause != nil {
		return failure.Cause
	}
	return err
}

// isFinal tells of an answer that any other way would get too.
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

// watched is a connection that ends when nothing comes for too long. A read is
// always pending, but for when what came is not taken: that is no silence.
type watched struct{ net.Conn }

func (w watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

// overSPDY has heartbeats of its own, every five seconds.
func overSPDY(config *rest.Config, target *url.URL) (httpstream.Connection, error) {
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	dialer := spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, http.MethodPost, target)
	session, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
	return session, err
}

// open makes the two streams of one connection.
func (c *Conn) open(port int) error {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, "0")
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	faults, err := c.session.CreateStream(headers)
	if err != nil {
		return fmt.Errorf("opening a stream to the node: %w", err)
	}
	// Nothing is written to it.
	_ = faults.Close()
	go func() {
		said, _ := io.ReadAll(io.LimitReader(faults, 4096))
		c.fault <- string(said)
	}()
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	c.data, err = c.session.CreateStream(headers)
	if err != nil {
		return fmt.Errorf("opening a stream to the node: %w", err)
	}
	return nil
}

func (c *Conn) Write(p []byte) (int, error) { return c.data.Write(p) }

// CloseWrite says that nothing more will be written; what is still to be read
// can be.
func (c *Conn) CloseWrite() error { return c.data.Close() }

// Read reads what the pod sends. The end is io.EOF only where the pod's side
// ended it.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.data.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	said := <-c.fault
	c.fault <- said
	if said != "" {
		return n, errors.New(said)
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
