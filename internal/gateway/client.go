package gateway

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
)

// maxChannels is how many channels one connection may have open at once: far
// more than an editor opens, far less than would hurt.
const maxChannels = 256

// Reasons why the gateway ends a session.
var (
	errRevoked      = errors.New("the key was revoked")
	errStopping     = errors.New("the gateway is stopping: connect again")
	errDisconnected = errors.New("the client disconnected")
)

// client is a connection whose key has been verified.
type client struct {
	server *server
	conn   *ssh.ServerConn
	key    fingerprint
	log    *slog.Logger

	mu      sync.Mutex
	open    int // channels
	tunnels map[*tunnel]struct{}
}

func newClient(s *server, conn *ssh.ServerConn) *client {
	key := fingerprint(conn.Permissions.Extensions[fingerprintExtension])
	return &client{
		server:  s,
		conn:    conn,
		key:     key,
		log:     s.log.With("fingerprint", key, "from", conn.RemoteAddr().String()),
		tunnels: map[*tunnel]struct{}{},
	}
}

// serve answers requests for channels until the connection ends. Every one is
// authorised for itself.
func (c *client) serve(channels <-chan ssh.NewChannel) {
	var running sync.WaitGroup
	for requested := range channels {
		if err := c.begin(); err != nil {
			c.refuse(requested, ssh.ResourceShortage, err.Error())
			continue
		}
		running.Go(func() {
			defer c.end()
			c.handle(requested)
		})
	}
	c.cutAll(errDisconnected)
	running.Wait()
}

func (c *client) handle(requested ssh.NewChannel) {
	switch requested.ChannelType() {
	case "direct-tcpip":
		c.forward(requested)
	case "session":
		c.greet(requested)
	case "direct-streamlocal@openssh.com":
		c.refuse(requested, ssh.Prohibited, leadsTo)
	default:
		c.refuse(requested, ssh.UnknownChannelType, leadsTo)
	}
}

// refuse says no to a channel, in words that the client shows.
func (c *client) refuse(requested ssh.NewChannel, reason ssh.RejectionReason, message string) {
	// An error means that the connection is gone.
	_ = requested.Reject(reason, message)
}

func (c *client) begin() error {
	if c.server.isDraining() {
		return errStopping
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= maxChannels {
		return errors.New("too many channels are open on this connection")
	}
	c.open++
	return nil
}

func (c *client) end() {
	c.mu.Lock()
	c.open--
	c.mu.Unlock()
	if c.server.isDraining() {
		c.closeIfIdle()
	}
}

// closeIfIdle ends the connection if it has no channel open.
func (c *client) closeIfIdle() {
	c.mu.Lock()
	idle := c.open == 0
	c.mu.Unlock()
	if idle {
		_ = c.conn.Close()
	}
}

// tunnel is an open way through the gateway to a box.
type tunnel struct {
	name   types.NamespacedName
	cancel context.CancelCauseFunc
}

// track registers a tunnel to the box of that name; its context ends when the
// gateway has a reason to cut it off.
func (c *client) track(name types.NamespacedName) (ctx context.Context, untrack func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &tunnel{name: name, cancel: cancel}
	c.mu.Lock()
	c.tunnels[t] = struct{}{}
	c.mu.Unlock()
	return ctx, func() {
		c.mu.Lock()
		delete(c.tunnels, t)
		c.mu.Unlock()
		cancel(nil)
	}
}

// cut ends the tunnels to the box of that name.
func (c *client) cut(name types.NamespacedName, reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.tunnels {
		if t.name == name {
			t.cancel(reason)
		}
	}
}

func (c *client) cutAll(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.tunnels {
		t.cancel(reason)
	}
}
