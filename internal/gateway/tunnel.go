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
	// leadsTo is the answer to everything that is not the way to a box.
	leadsTo = "this gateway leads to DevServers only: ssh -J GATEWAY dev@NAME.NAMESPACE"

	// sshPort is the port that clients ask for, whichever one the box has.
	sshPort = 22
)

// target is what a client asks for with a direct-tcpip channel (RFC 4254,
// section 7.2).
type target struct {
	Host       string
	Port       uint32
	OriginHost string
	OriginPort uint32
}

// box is the name of the box that is meant, if one is.
func (t target) box() (name types.NamespacedName, ok bool) {
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

// forward answers a request for a direct-tcpip channel: a way to a box that
// the client's key opens, or the reason why there is none.
func (c *client) forward(requested ssh.NewChannel) {
	var wanted target
	if err := ssh.Unmarshal(requested.ExtraData(), &wanted); err != nil {
		c.refuse(requested, ssh.Prohibited, leadsTo)
		return
	}
	name, ok := wanted.box()
	if !ok {
		c.log.Info("refused", "host", fmt.Sprintf("%.256s", wanted.Host), "port", wanted.Port)
		c.refuse(requested, ssh.Prohibited, leadsTo)
		return
	}
	// Tracked before it is authorised: a key that is revoked in between then
	// ends the tunnel.
	ctx, untrack := c.track(name)
	defer untrack()
	b, upstream, err := c.await(ctx, name, nil)
	if err != nil {
		r := refusalOf(err)
		c.log.Info("refused", "box", address(name), "reason", r.message)
		c.refuse(requested, r.reason, r.message)
		return
	}
	defer func() { _ = upstream.Close() }()
	channel, requests, err := requested.Accept()
	if err != nil {
		return
	}
	c.server.metrics.channels.WithLabelValues(resultOK).Inc()
	c.carry(ctx, b, channel, requests, upstream)
}

// carry moves bytes both ways until one side is done or ctx ends, and leaves
// one line for the audit.
func (c *client) carry(ctx context.Context, b box, channel ssh.Channel, requests <-chan *ssh.Request, upstream net.Conn) {
	start := time.Now()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		// Ends when the client closes the channel: there are no requests that
		// mean anything here.
		ssh.DiscardRequests(requests)
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
	var toBox int64
	var other sync.WaitGroup
	other.Go(func() {
		defer close(delivered)
		toBox = c.copy("to_box", upstream, channel)
	})
	fromBox := c.copy("from_box", channel, upstream)
	other.Wait()
	c.server.metrics.tunnels.Dec()
	ended := "closed"
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errDisconnected) {
		ended = cause.Error()
	}
	_ = channel.Close()
	c.log.Info("session",
		"box", b.address(),
		"start", start.UTC().Format(time.RFC3339),
		"seconds", time.Since(start).Seconds(),
		"bytes_to_box", toBox,
		"bytes_from_box", fromBox,
		"ended", ended,
	)
}

// closeWriter is a connection of which one direction can end for itself.
type closeWriter interface {
	io.Writer
	CloseWrite() error
}

// copy moves bytes in one direction, and counts them.
func (c *client) copy(direction string, to io.Writer, from io.Reader) int64 {
	defer c.recoverFrom("carrying bytes")
	return copyAndEnd(counted{to, c.server.metrics.bytes.WithLabelValues(direction)}, from)
}
