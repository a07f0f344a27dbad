package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/sshpolicy"
)

const (
	// maxChannels is how many channels one connection can have open at once. Editors
	// open far fewer.
	maxChannels = 256
	// maxTargetBytes is the longest description of a channel that a client may send. The
	// longest name of a server has 127.
	maxTargetBytes = 4 << 10
)

// hangUpTime is how long a client has, after the end of its last channel, to
// close the connection to a gateway that is stopping. A client that is cut off
// sooner may report that instead of its command's exit status.
const hangUpTime = 2 * time.Second

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
	who    identity
	// account is the user to whom the connection counts.
	account string
	intake  *sshpolicy.Intake
	log     *slog.Logger

	mu      sync.Mutex
	open    int       // channels
	ended   time.Time // when a channel ended last
	tunnels map[*tunnel]struct{}
	over    error // why no more tunnels are allowed; nil while they are
}

func newClient(s *server, conn *ssh.ServerConn) *client {
	// The login stored it. The zero value opens nothing.
	who, _ := conn.Permissions.ExtraData[identityKey{}].(identity)
	account := s.directory.account(who)
	log := s.log.With("fingerprint", who.key, "from", conn.RemoteAddr().String())
	if who.certificate != "" {
		log = log.With("certificate", who.certificate)
	}
	if owners := s.directory.owners(who); len(owners) > 0 {
		log = log.With("owner", strings.Join(owners, ","))
	}
	return &client{
		server: s, conn: conn, who: who, account: account, log: log,
		intake:  sshpolicy.NewIntake(s.limits.unread, account),
		tunnels: map[*tunnel]struct{}{},
	}
}

// serve answers requests for channels until the connection ends. Each is authorized
// by itself.
func (c *client) serve(channels <-chan ssh.NewChannel) {
	var running sync.WaitGroup
	sshpolicy.Each(c.intake, channels, func(requested ssh.NewChannel) {
		if err := c.begin(); err != nil {
			c.refuse(requested, ssh.ResourceShortage, err.Error())
			return
		}
		running.Go(func() {
			defer c.end()
			c.handle(requested)
		})
	})
	c.cutAll(errDisconnected)
	running.Wait()
}

func (c *client) handle(requested ssh.NewChannel) {
	defer c.recoverFrom("serving a channel")
	if len(requested.ExtraData()) > maxTargetBytes {
		c.refuse(requested, ssh.Prohibited, serversOnly)
		return
	}
	switch requested.ChannelType() {
	case "direct-tcpip":
		c.forward(requested)
	case "session":
		c.serveSession(requested)
	case "direct-streamlocal@openssh.com":
		c.refuse(requested, ssh.Prohibited, serversOnly)
	default:
		c.refuse(requested, ssh.UnknownChannelType, serversOnly)
	}
}

// refuse refuses a channel with a message that the client shows.
func (c *client) refuse(requested ssh.NewChannel, reason ssh.RejectionReason, message string) {
	c.server.metrics.channels.WithLabelValues(resultRefused).Inc()
	// An error means that the connection has ended.
	_ = requested.Reject(reason, printable.Prose(message, 0))
}

// recoverFrom ends the connection that panicked. The others continue.
func (c *client) recoverFrom(doing string) {
	if fault := recover(); fault != nil {
		c.server.fault(c.log, doing, fault)
		_ = c.conn.Close()
	}
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
	if err := c.server.limits.channels.Take(c.account, 1); err != nil {
		return fmt.Errorf("too many channels are open: %w", err)
	}
	c.open++
	return nil
}

func (c *client) end() {
	c.server.limits.channels.Give(c.account, 1)
	c.mu.Lock()
	c.open--
	c.ended = time.Now()
	c.mu.Unlock()
	if c.server.isDraining() {
		c.closeIfIdle()
	}
}

// closeIfIdle ends the connection if no channel is open, once the client has had
// the time to do that itself.
func (c *client) closeIfIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open > 0 {
		return
	}
	if left := time.Until(c.ended.Add(c.server.hangUpTime)); left > 0 {
		// It closes nothing if the client opens another channel, or has gone.
		time.AfterFunc(left, c.closeIfIdle)
		return
	}
	_ = c.conn.Close()
}

// tunnel is an open connection through the gateway to a server.
type tunnel struct {
	name   types.NamespacedName
	cancel context.CancelCauseFunc
}

// track registers a tunnel to the DevServer of that name. Its context ends when the
// gateway has a reason to end the tunnel.
func (c *client) track(name types.NamespacedName) (ctx context.Context, untrack func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	t := &tunnel{name: name, cancel: cancel}
	c.mu.Lock()
	c.tunnels[t] = struct{}{}
	over := c.over
	c.mu.Unlock()
	if over != nil {
		cancel(over)
	}
	return ctx, func() {
		c.mu.Lock()
		delete(c.tunnels, t)
		c.mu.Unlock()
		cancel(nil)
	}
}

// cut ends the tunnels to those of the named DevServers that the client no longer
// opens.
func (c *client) cut(names []types.NamespacedName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.tunnels {
		if !slices.Contains(names, t.name) {
			continue
		}
		if _, ok := c.server.directory.find(c.who, t.name); !ok {
			t.cancel(errRevoked)
		}
	}
}

// cutAll ends all tunnels of the client, including one that is about to begin.
func (c *client) cutAll(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = reason
	for t := range c.tunnels {
		t.cancel(reason)
	}
}
