package sshd

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/sshpolicy"
)

// hangUpTime is how long a client has, after the end of its last session, to
// close the connection itself. A client that is cut off sooner may report that
// instead of its command's exit status.
const hangUpTime = 2 * time.Second

// clientConn notes when the client was last heard of.
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
	// account is who logged in.
	account *account
	log     *slog.Logger
	// ctx ends with the connection.
	ctx    context.Context
	cancel context.CancelFunc
	// done is closed once the connection has been served.
	done chan struct{}

	forwards *forwards
	// sessionsEnded belongs to dispatch.
	sessionsEnded bool

	mu        sync.Mutex
	agentPath string // the socket of the client's agent, once it is forwarded
	cutReason string
	// sessions counts the session channels that are open; lastSession is when
	// one was closed last.
	sessions    int
	lastSession time.Time
}

func newConn(ctx context.Context, s *Server, sc *ssh.ServerConn, client *clientConn) (*conn, error) {
	key, err := verifiedKey(sc)
	if err != nil {
		sc.Close()
		return nil, err
	}
	account := s.accounts[sc.User()]
	if account == nil {
		sc.Close()
		return nil, errNotAuthorised
	}
	c := &conn{
		server:  s,
		ssh:     sc,
		client:  client,
		key:     key,
		account: account,
		done:    make(chan struct{}),
		log:     s.log.With("remote", sc.RemoteAddr().String(), "user", account.name, "key", sshkeys.Fingerprint(key)),
	}
	// Not a child of ctx: when the server stops, sessions get their grace first.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.forwards = newForwards(c)
	return c, nil
}

// channelTypes is every channel that a client may open, and nothing else.
var channelTypes = map[string]func(*conn, ssh.NewChannel){
	"session":                        (*conn).openSession,
	"direct-tcpip":                   (*conn).openDirectTCP,
	"direct-streamlocal@openssh.com": (*conn).openDirectUnix,
}

const noMoreSessions = "no-more-sessions@openssh.com"

// globalRequests is every request that concerns a whole connection.
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
	// The key may have been taken away between the login and now.
	if c.revoked() {
		c.cutRevoked()
	}
	c.log.Info("login accepted", "client", string(c.ssh.ClientVersion()))
	go c.keepalive()
	c.dispatch(channels, requests)
	c.log.Info("connection ended", "reason", c.endReason(), "after", since(start))
}

// dispatch serves what the client asks for until the connection ends.
//
// Channels and requests come apart, but their order matters once: a client
// opens its session and says right behind that there will be no more. All
// channels that were opened before a request wait when the request is read.
func (c *conn) dispatch(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	for {
		select {
		case channel, open := <-channels:
			if !open {
				return
			}
			c.startChannel(channel)
		case request, open := <-requests:
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
	path := c.agentPath
	c.mu.Unlock()
	if path != "" {
		c.account.agents.remove(path)
	}
	c.server.remove(c)
}

// cut ends the connection from this side.
func (c *conn) cut(reason string) {
	c.mu.Lock()
	if c.cutReason == "" {
		c.cutReason = reason
	}
	c.mu.Unlock()
	c.ssh.Close()
}

// part ends the connection of a server that is stopping, whose processes have
// ended. A client whose session has just ended is about to close the connection
// itself, and is given the time to do so.
func (c *conn) part() {
	// The client of an open forward would wait for the forward's end.
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
	// A peer that reads nothing may hold up what serves it.
	timer.Reset(hangUpTime)
	select {
	case <-c.done:
	case <-timer.C:
	}
}

// untilHangUp is how long the client may still take to close the connection: no
// time if it has had no session lately, as with ssh -N.
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

// revoked reports whether the connection's key has been taken away. A key
// file that cannot be read at the moment takes nothing away.
func (c *conn) revoked() bool {
	authorised, err := c.server.keys.contains(c.key)
	return err == nil && !authorised
}

var errRevoked = errors.New("the key of this connection is no longer authorised")

// cutRevoked cuts the connection off after the client has been told why.
func (c *conn) cutRevoked() { c.cut("its key is no longer authorised") }

// startChannel decides at once whether the channel may be opened, in the
// order in which the client asks, and then serves it beside the others.
func (c *conn) startChannel(channel ssh.NewChannel) {
	open, known := channelTypes[channel.ChannelType()]
	switch {
	case !known:
		reject(channel, ssh.UnknownChannelType, "this box does not know channels of this type")
		return
	case c.sessionsEnded && channel.ChannelType() == "session":
		reject(channel, ssh.Prohibited, "the client asked for no more sessions on this connection")
		return
	}
	// Looked up for each channel and listener, not for the first only.
	if c.revoked() {
		reject(channel, ssh.Prohibited, errRevoked.Error())
		c.cutRevoked()
		return
	}
	go func() {
		defer c.server.survive("channel " + channel.ChannelType())
		open(c, channel)
	}()
}

// reject ignores the error: it means that the connection is gone.
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

// endSessions is how a client without multiplexing says that whoever gets
// hold of its connection may not start anything more.
func (c *conn) endSessions(*ssh.Request) (bool, []byte) {
	c.sessionsEnded = true
	return true, nil
}

func (c *conn) answer(*ssh.Request) (bool, []byte) { return true, nil }

// keepalive asks the client for a sign of life, which also keeps NAT and load
// balancers from forgetting the connection, and cuts off one that is gone.
func (c *conn) keepalive() {
	defer c.server.survive("keepalive")
	ticker := time.NewTicker(c.server.cfg.KeepaliveInterval)
	defer ticker.Stop()
	limit := keepaliveTries * c.server.cfg.KeepaliveInterval
	c.client.heard.Store(time.Now().UnixNano())
	// Requests are answered in order, so a second one while the first is
	// unanswered would tell nothing new.
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
