package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"devserver.io/devserver/internal/sshpolicy"
)

const (
	// serversOnly is the answer to a request for anything but a server.
	serversOnly = "this gateway connects to DevServers only: ssh -J GATEWAY dev@NAME.NAMESPACE"

	// sshPort is the port that clients request. Servers listen on another one.
	sshPort = 22
)

// target is what a client requests with a direct-tcpip channel (RFC 4254, section
// 7.2).
type target struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// devServer is the name of the DevServer that the client requests, if it requests
// one.
func (t target) devServer() (name types.NamespacedName, ok bool) {
	if t.Port != sshPort {
		return name, false
	}
	name.Name, name.Namespace, _ = strings.Cut(strings.ToLower(t.Host), ".")
	for _, label := range []string{name.Name, name.Namespace} {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return types.NamespacedName{}, false
		}
	}
	return name, true
}

// forward answers a request for a direct-tcpip channel: with a tunnel to a server
// that the client opens, or with the reason for the refusal.
func (c *client) forward(requested ssh.NewChannel) {
	var wanted target
	if err := ssh.Unmarshal(requested.ExtraData(), &wanted); err != nil {
		c.refuse(requested, ssh.Prohibited, serversOnly)
		return
	}
	name, ok := wanted.devServer()
	if !ok {
		c.log.Info("refused", "host", fmt.Sprintf("%.256s", wanted.Host), "port", wanted.Port)
		c.refuse(requested, ssh.Prohibited, serversOnly)
		return
	}
	// Tracked before it is authorized, so that a key that is revoked in between ends
	// the tunnel.
	ctx, untrack := c.track(name)
	defer untrack()
	d, upstream, err := c.await(ctx, name, nil)
	if err != nil {
		r := refusalOf(err)
		c.log.Info("refused", "server", address(name), "reason", r.message)
		c.refuse(requested, r.reason, r.message)
		return
	}
	defer func() { _ = upstream.Close() }()
	channel, err := c.intake.Accept(requested)
	if err != nil {
		return
	}
	c.server.metrics.channels.WithLabelValues(resultOK).Inc()
	c.carry(ctx, d, channel, upstream)
}

// carry copies bytes in both directions until both have ended or ctx ends, and logs
// one line for the audit. It returns when the client has closed the channel too.
func (c *client) carry(ctx context.Context, d devServer, channel *sshpolicy.Channel, upstream net.Conn) {
	start := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		channel.Serve(sshpolicy.Refuse) // No request means anything here.
		stop(errDisconnected)
	}()
	delivered := make(chan struct{})
	cut := context.AfterFunc(ctx, func() {
		if errors.Is(context.Cause(ctx), errDisconnected) {
			// What the client sent before it left is on its way.
			select {
			case <-delivered:
			case <-time.After(sshpolicy.LingerTime):
			}
		}
		_ = channel.Close()
		_ = upstream.Close()
	})
	defer cut()

	c.server.metrics.tunnels.Inc()
	var toServer int64
	var other sync.WaitGroup
	other.Go(func() {
		defer close(delivered)
		toServer = c.copy("to_server", upstream, channel)
	})
	fromServer := c.copy("from_server", channel, upstream)
	other.Wait()
	c.server.metrics.tunnels.Dec()
	ended := "closed"
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errDisconnected) {
		ended = cause.Error()
	}
	_ = channel.Close()
	c.log.Info("session",
		"server", d.address(),
		"start", start.UTC().Format(time.RFC3339),
		"seconds", time.Since(start).Seconds(),
		"bytes_to_server", toServer,
		"bytes_from_server", fromServer,
		"ended", ended,
	)
	_ = upstream.Close()
	<-closed
}

// closeWriter is a connection whose directions can end separately.
type closeWriter interface {
	io.Writer
	CloseWrite() error
}

// copy copies bytes in one direction, and counts them.
func (c *client) copy(direction string, to io.Writer, from io.Reader) int64 {
	defer c.recoverFrom("carrying bytes")
	bulk := borrower{c.server.limits.bulk, c.account}
	return copyAndEnd(counted{to, c.server.metrics.bytes.WithLabelValues(direction)}, from, bulk)
}
