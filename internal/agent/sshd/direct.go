package sshd

import (
	"context"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/sshpolicy"
)

// dialTimeout is how long a client waits for an address that drops packets.
const dialTimeout = 30 * time.Second

// openDirectTCP serves ssh -L, -D and -W: RFC 4254, section 7.2.
func (c *conn) openDirectTCP(channel ssh.NewChannel) {
	var target struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	if err := ssh.Unmarshal(channel.ExtraData(), &target); err != nil || target.Port > 65535 {
		reject(channel, ssh.ConnectionFailed, "the request to connect is malformed")
		return
	}
	address := net.JoinHostPort(target.Host, strconv.Itoa(int(target.Port)))
	c.dial(channel, func(ctx context.Context) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "tcp", address)
	})
}

// openDirectUnix serves ssh -L to a socket: OpenSSH's PROTOCOL, section 2.4.
func (c *conn) openDirectUnix(channel ssh.NewChannel) {
	var target struct {
		Path     string
		Reserved string
		Unused   uint32
	}
	if err := ssh.Unmarshal(channel.ExtraData(), &target); err != nil {
		reject(channel, ssh.ConnectionFailed, "the request to connect is malformed")
		return
	}
	c.dial(channel, func(ctx context.Context) (net.Conn, error) {
		return c.server.cfg.Spawner.Dial(ctx, spawnapi.Dial{Account: c.account, Path: []byte(target.Path)})
	})
}

func (c *conn) dial(channel ssh.NewChannel, connect func(context.Context) (net.Conn, error)) {
	if !c.server.sessions.mayForward() {
		reject(channel, ssh.Prohibited, beingSuspended)
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	socket, err := connect(ctx)
	if err != nil {
		reject(channel, ssh.ConnectionFailed, err.Error())
		return
	}
	c.accept(channel, socket)
}

// accept accepts a channel for a connected socket.
func (c *conn) accept(channel ssh.NewChannel, socket net.Conn) {
	stream, err := c.intake.Accept(channel)
	if err != nil {
		socket.Close()
		return
	}
	c.joinChannel(stream, socket)
}

// joinChannel copies between a channel, whose requests it refuses, and a TCP or unix
// socket. It returns when the client has closed the channel.
func (c *conn) joinChannel(stream *sshpolicy.Channel, socket net.Conn) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		stream.Serve(sshpolicy.Refuse)
	}()
	join(c.ctx, stream, socket.(halfCloser), c.server.cfg.Traffic.Carried)
	<-closed
}
