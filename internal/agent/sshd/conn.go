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
)

// clientConn notes when the client was last heard of.
type clientConn struct {
	net.Conn
	heard atomic.Int64 // Unix nanoseconds
}

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

	forwards *forwards
	// sessionsEnded belongs to dispatch.
	sessionsEnded bool

	mu        sync.Mutex
	agentPath string // the socket of the client's agent, once it is forwarded
	cutReason string
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
	defer c.close()
	c.server.add(c)
	// The key may have been taken away between the login and now.
	if c.revoked() {
		c.cut("its key is no longer authorised")
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

// authorise decides whether the connection may open one more channel or
// listener. It is asked for each of them, not for the first only.
func (c *conn) authorise() error {
	if c.revoked() {
		c.cut("its key is no longer authorised")
		return errors.New("the key of this connection is no longer authorised")
	}
	return nil
}

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
	if err := c.authorise(); err != nil {
		reject(channel, ssh.Prohibited, err.Error())
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
	if handle, known := globalRequests[request.Type]; known && c.authorise() == nil {
		ok, reply = handle(c, request)
	}
	if request.WantReply {
		_ = request.Reply(ok, reply) // fails only with the connection
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
