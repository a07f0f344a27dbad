package sshd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/sshpolicy"
)

// hangUpTime is the default of Config.HangUpTime. A client that is disconnected
// before it has closed the connection itself may report the disconnection
// instead of its command's exit status.
const hangUpTime = 2 * time.Second

// clientConn records when the client last sent something.
type clientConn struct {
	*sshpolicy.Conn
	heard atomic.Int64 // Unix nanoseconds
}

func newClientConn(raw net.Conn) *clientConn { return &clientConn{Conn: sshpolicy.NewConn(raw)} }

func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

// conn is one authenticated connection.
type conn struct {
	server *Server
	ssh    *ssh.ServerConn
	client *clientConn
	key    ssh.PublicKey
	// user is the key's fingerprint, to which the limits apply.
	user   string
	intake *sshpolicy.Intake
	// account is the account that the client logged in to.
	account string
	log     *slog.Logger
	// ctx ends with the connection.
	ctx    context.Context
	cancel context.CancelFunc
	// done is closed once the connection has been served.
	done chan struct{}

	forwards *forwards
	// sessionsEnded is set once the client has promised to open no more sessions.
	// Only dispatch uses it.
	sessionsEnded bool

	// forwarding is held while the client's agent is being forwarded, which the spawner
	// may delay.
	forwarding sync.Mutex

	mu        sync.Mutex
	agent     *spawnapi.Listener // of the client's agent, once it is forwarded
	cutReason string
	// sessions is the number of open session channels. lastSession is when the
	// last one was closed.
	sessions    int
	lastSession time.Time
}

func newConn(ctx context.Context, s *Server, sc *ssh.ServerConn, client *clientConn) (*conn, error) {
	key, err := verifiedKey(sc)
	if err != nil {
		sc.Close()
		return nil, err
	}
	if !s.accounts[sc.User()] {
		sc.Close()
		return nil, errNotAuthorised
	}
	user := sshkeys.Fingerprint(key)
	if err := s.limits.connections.Take(user, 1); err != nil {
		sc.Close()
		return nil, fmt.Errorf("too many connections are open: %w", err)
	}
	c := &conn{
		server:  s,
		ssh:     sc,
		client:  client,
		key:     key,
		user:    user,
		intake:  sshpolicy.NewIntake(s.limits.unread, user),
		account: sc.User(),
		done:    make(chan struct{}),
		log:     s.log.With("remote", sc.RemoteAddr().String(), "user", sc.User(), "key", user),
	}
	client.Limit(c.intake)
	// Not a child of ctx: when the server stops, sessions first get Grace to end.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.forwards = newForwards(c)
	return c, nil
}

// channelTypes has every channel type that a client may open. All others are
// refused.
var channelTypes = map[string]func(*conn, ssh.NewChannel){
	"session":                        (*conn).openSession,
	"direct-tcpip":                   (*conn).openDirectTCP,
	"direct-streamlocal@openssh.com": (*conn).openDirectUnix,
}

const noMoreSessions = "no-more-sessions@openssh.com"

// globalRequests has every request that a client may make for a connection as a
// whole. All others are refused.
var globalRequests = map[string]func(*conn, *ssh.Request) (ok bool, reply []byte){
	"tcpip-forward":                          (*conn).forwardTCP,
	"cancel-tcpip-forward":                   (*conn).cancelTCP,
	"streamlocal-forward@openssh.com":        (*conn).forwardUnix,
	"cancel-streamlocal-forward@openssh.com": (*conn).cancelUnix,
	noMoreSessions:                           (*conn).endSessions,
	"keepalive@openssh.com":                  (*conn).answer,
}

// serve runs the connection until it ends.
func (c *conn) serve(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	start := time.Now()
	defer close(c.done)
	defer c.close()
	c.server.add(c)
	// The key may have been revoked between the login and now.
	if c.revoked() {
		c.cutRevoked()
	}
	c.log.Info("login accepted", "client", string(c.ssh.ClientVersion()))
	go c.keepalive()
	c.dispatch(channels, requests)
	c.log.Info("connection ended", "reason", c.endReason(), "after", since(start))
}

// dispatch serves channels and requests until the connection ends.
//
// They arrive on two Go channels, but their order matters in one case: a client
// opens its session and then sends no-more-sessions. When that request is read,
// every channel that the client opened before it is already waiting, so
// dispatch starts those first.
func (c *conn) dispatch(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	c.intake.Work()
	defer c.intake.Rest()
	for {
		waits := len(channels) == 0 && len(requests) == 0
		if waits {
			c.intake.Rest()
		}
		select {
		case channel, open := <-channels:
			if waits {
				c.intake.Work()
			}
			if !open {
				return
			}
			c.startChannel(channel)
		case request, open := <-requests:
			if waits {
				c.intake.Work()
			}
			if !open {
				requests = nil
				continue
			}
			if request.Type == noMoreSessions {
				c.startWaiting(channels)
			}
			c.serveRequest(request)
		}
	}
}

func (c *conn) startWaiting(channels <-chan ssh.NewChannel) {
	for {
		select {
		case channel, open := <-channels:
			if !open {
				return
			}
			c.startChannel(channel)
		default:
			return
		}
	}
}

func (c *conn) close() {
	c.cancel()
	c.ssh.Close()
	c.forwards.closeAll()
	c.mu.Lock()
	agent := c.agent
	c.mu.Unlock()
	if agent != nil {
		agent.Close()
	}
	c.server.remove(c)
}

// cut closes the connection from this side. The first reason is logged.
func (c *conn) cut(reason string) {
	c.mu.Lock()
	if c.cutReason == "" {
		c.cutReason = reason
	}
	c.mu.Unlock()
	c.ssh.Close()
}

// closeGracefully ends the connection when the server stops, after all processes
// have ended. A client whose session has just ended is about to close the
// connection itself and gets the time to do so.
func (c *conn) closeGracefully() {
	// A client with an open forward would wait for the end of the forward.
	c.cancel()
	c.forwards.closeAll()
	timer := time.NewTimer(c.untilHangUp())
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.cut("the server is stopping")
	}
	<-c.client.Closed()
	// If the client does not read, the goroutine that serves it may be blocked.
	timer.Reset(hangUpTime)
	select {
	case <-c.done:
	case <-timer.C:
	}
}

// untilHangUp returns how long the client may still take to close the
// connection. It is zero or negative if the client has had no session lately,
// as with ssh -N.
func (c *conn) untilHangUp() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions > 0 {
		return c.server.cfg.HangUpTime
	}
	return time.Until(c.lastSession.Add(c.server.cfg.HangUpTime))
}

func (c *conn) sessionOpened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions++
}

func (c *conn) sessionClosed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sessions--
	c.lastSession = time.Now()
}

func (c *conn) endReason() string {
	err := c.ssh.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cutReason != "":
		return c.cutReason
	case err == nil || errors.Is(err, io.EOF):
		return "the client closed it"
	default:
		return err.Error()
	}
}

// revoked reports whether the connection's key is no longer authorised. If the
// key file cannot be read, the key still counts as authorised.
func (c *conn) revoked() bool {
	authorised, err := c.server.keys.contains(c.key)
	return err == nil && !authorised
}

var errRevoked = errors.New("the key of this connection is no longer authorised")

// cutRevoked closes a connection whose key has been revoked.
func (c *conn) cutRevoked() { c.cut("its key is no longer authorised") }

// startChannel decides whether the channel may be opened, in the order of the
// client's requests, and then serves it in a goroutine.
func (c *conn) startChannel(channel ssh.NewChannel) {
	open, known := channelTypes[channel.ChannelType()]
	switch {
	case !known:
		reject(channel, ssh.UnknownChannelType, "this server does not support channels of this type")
		return
	case c.sessionsEnded && channel.ChannelType() == "session":
		reject(channel, ssh.Prohibited, "the client asked for no more sessions on this connection")
		return
	}
	// The key is checked for every channel, because it may be revoked at any time.
	if c.revoked() {
		reject(channel, ssh.Prohibited, errRevoked.Error())
		c.cutRevoked()
		return
	}
	if len(channel.ExtraData()) > maxDescription {
		reject(channel, ssh.ConnectionFailed, "the request to connect is malformed")
		return
	}
	if err := c.server.limits.channels.Take(c.user, 1); err != nil {
		c.log.Info("channel refused", "type", channel.ChannelType(), "reason", err.Error())
		reject(channel, ssh.ResourceShortage, "too many channels are open: "+err.Error())
		return
	}
	go func() {
		defer c.server.limits.channels.Give(c.user, 1)
		defer c.server.survive("channel " + channel.ChannelType())
		open(c, channel)
	}()
}

// reject ignores the error, which means that the connection has ended.
func reject(channel ssh.NewChannel, reason ssh.RejectionReason, message string) {
	_ = channel.Reject(reason, message)
}

func (c *conn) serveRequest(request *ssh.Request) {
	defer c.server.survive("request " + request.Type)
	var ok bool
	var reply []byte
	handle, known := globalRequests[request.Type]
	revoked := known && c.revoked()
	if known && !revoked {
		ok, reply = handle(c, request)
	}
	if request.WantReply {
		_ = request.Reply(ok, reply) // fails only with the connection
	}
	if revoked {
		c.cutRevoked()
	}
}

// endSessions serves no-more-sessions: the client promises to open no further
// session, so an attacker who takes over its connection cannot open one either.
func (c *conn) endSessions(*ssh.Request) (bool, []byte) {
	c.sessionsEnded = true
	return true, nil
}

func (c *conn) answer(*ssh.Request) (bool, []byte) { return true, nil }

// keepalive sends requests that the client must answer, and disconnects a client
// that sends nothing for keepaliveTries intervals. The requests also keep NAT
// gateways and load balancers from dropping an idle connection.
func (c *conn) keepalive() {
	defer c.server.survive("keepalive")
	ticker := time.NewTicker(c.server.cfg.KeepaliveInterval)
	defer ticker.Stop()
	limit := keepaliveTries * c.server.cfg.KeepaliveInterval
	c.client.heard.Store(time.Now().UnixNano())
	// Requests are answered in order, so a second request before the answer to
	// the first would yield no information.
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticker.C:
		}
		if time.Since(time.Unix(0, c.client.heard.Load())) > limit {
			c.cut("the client has gone silent")
			return
		}
		select {
		case <-answered:
			go func() {
				_, _, _ = c.ssh.SendRequest("keepalive@openssh.com", true, nil)
				answered <- struct{}{}
			}()
		default:
		}
	}
}
