package spawnapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agentapi"
)

// replyTimeout bounds how long the spawner may take to answer. Starting a process takes
// long on a node that is short of memory.
const replyTimeout = 30 * time.Second

// Client is the SSH server's side of the protocol.
type Client struct {
	// Socket is the path of the spawner's socket.
	Socket string
	// UID is the spawner's user id.
	UID int
	// Relay makes the client request relayed streams, without a Probe.
	Relay bool

	// relay is the result of the Probe: passFiles, relayStream, or 0 before it.
	relay atomic.Int32
}

const (
	passFiles   = 1
	relayStream = 2
)

// ErrUnavailable is the error of a request while the spawner does not run.
var ErrUnavailable = errors.New("the container with your processes is not running")

// connect opens a connection, whose operations time out after replyTimeout, or at the
// deadline of ctx.
func (c *Client) connect(ctx context.Context) (*Conn, error) {
	var dialer net.Dialer
	ctx, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	raw, err := dialer.DialContext(ctx, "unix", c.Socket)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	conn, err := NewConn(raw.(*net.UnixConn), c.UID)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	return conn, conn.SetDeadline(deadline)
}

// request sends a request on a new connection, and receives the reply. The caller must
// close the connection if there is no error.
func (c *Client) request(ctx context.Context, request Request, send ...*os.File) (conn *Conn, reply Reply, files []*os.File, err error) {
	request.Version = Version
	if conn, err = c.connect(ctx); err != nil {
		return nil, reply, nil, err
	}
	most := maxMessage
	if request.Start != nil {
		most = maxStarted
	}
	canceled := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err = conn.Send(request, send...); err == nil {
		files, err = conn.Receive(&reply, most)
	}
	if !canceled() {
		descriptor.CloseAll(files)
		err = context.Cause(ctx)
	}
	if err == nil && reply.Refused != nil {
		descriptor.CloseAll(files)
		reply.Refused.Text = clip(reply.Refused.Text, maxRefusal)
		err = reply.Refused
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		conn.Close()
		if _, refused := errors.AsType[*Refusal](err); !refused {
			err = fmt.Errorf("asking the spawner: %w", err)
		}
		return nil, reply, nil, err
	}
	return conn, reply, files, nil
}

// maxRefusal bounds the text of a Refusal, in bytes: in some messages, SSH clients accept
// less than the spawner can send.
const maxRefusal = 4 << 10

// relays reports whether streams must be relayed. It probes the spawner once.
func (c *Client) relays(ctx context.Context) (bool, error) {
	if c.Relay {
		return true, nil
	}
	if known := c.relay.Load(); known != 0 {
		return known == relayStream, nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer read.Close()
	defer write.Close()
	conn, reply, files, err := c.request(ctx, Request{Probe: &Probe{}}, write)
	how := int32(passFiles)
	switch {
	case err == nil:
		conn.Close()
		descriptor.CloseAll(files)
		if reply.Files != 1 {
			how = relayStream
		}
	case c.Ping(ctx) != nil:
		return false, err
	default:
		how = relayStream // Only a request with a file fails.
	}
	c.relay.Store(how)
	return how == relayStream, nil
}

// attach connects to a relayed stream.
func (c *Client) attach(ctx context.Context, stream uint64) (*net.UnixConn, error) {
	conn, _, files, err := c.request(ctx, Request{Attach: &Attach{stream}})
	if err != nil {
		return nil, err
	}
	descriptor.CloseAll(files)
	return conn.UnixConn, nil
}

// attachAll connects to the streams, of which there must be as many as wanted.
func (c *Client) attachAll(ctx context.Context, want int, streams []uint64) ([]*net.UnixConn, error) {
	if len(streams) != want {
		return nil, fmt.Errorf("the spawner offers %d streams instead of %d", len(streams), want)
	}
	var attached []*net.UnixConn
	for _, stream := range streams {
		conn, err := c.attach(ctx, stream)
		if err != nil {
			for _, other := range attached {
				other.Close()
			}
			return nil, err
		}
		attached = append(attached, conn)
	}
	return attached, nil
}

// Dial connects to a unix socket.
func (c *Client) Dial(ctx context.Context, dial Dial) (net.Conn, error) {
	relay, err := c.relays(ctx)
	if err != nil {
		return nil, err
	}
	conn, reply, files, err := c.request(ctx, Request{Relay: relay, Dial: &dial})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if reply.Relayed {
		descriptor.CloseAll(files)
		attached, err := c.attachAll(ctx, 1, reply.Streams)
		if err != nil {
			return nil, err
		}
		return attached[0], nil
	}
	if files, err = exactly(1, files); err != nil {
		return nil, err
	}
	return socketOf(files[0])
}

// Ping returns an error if the spawner does not answer.
func (c *Client) Ping(ctx context.Context) error {
	conn, _, files, err := c.request(ctx, Request{Probe: &Probe{}})
	if err != nil {
		return err
	}
	descriptor.CloseAll(files)
	return conn.Close()
}

// Report asks for a report.
func (c *Client) Report(ctx context.Context, request ReportRequest) (Report, error) {
	conn, reply, files, err := c.request(ctx, Request{Report: &request})
	if err != nil {
		return Report{}, err
	}
	conn.Close()
	descriptor.CloseAll(files)
	if reply.Report == nil {
		return Report{}, errors.New("the spawner sent no report")
	}
	return reply.Report.bounded(), nil
}

// maxSignals is more than there are kinds of activity.
const maxSignals = 16

// bounded returns the report, cut to a bounded size.
func (r Report) bounded() Report {
	const maxText = 200
	if len(r.Signals) > maxSignals {
		r.Signals = r.Signals[:maxSignals]
	}
	for i, s := range r.Signals {
		r.Signals[i] = agentapi.Signal{Name: clip(s.Name, maxText), IdleSeconds: s.IdleSeconds, Value: clip(s.Value, maxText)}
	}
	r.Version = clip(r.Version, maxText)
	return r
}

func clip(text string, most int) string { return strings.ToValidUTF8(text[:min(len(text), most)], "") }
