package sshd

import (
	"context"
	"io"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"
)

// halfCloser is a TCP or unix-socket connection.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// join copies both ways between a channel and a socket until both have ended,
// and notes how much. The end of one direction is passed on as such: the other
// may go on for long. A program that reads no more of what it is sent, such as
// an HTTP server that refuses an upload, may still answer.
func join(ctx context.Context, channel ssh.Channel, socket halfCloser, note func(bytes int)) {
	abort := func() {
		channel.Close()
		socket.Close()
	}
	// A peer that ignores a half-closed socket must not outlive the connection.
	defer context.AfterFunc(ctx, abort)()
	defer abort()
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := io.Copy(noting{socket, note}, channel); err != nil {
			// The client may go on sending until it has read the answer.
			go func() { _, _ = io.Copy(io.Discard, channel) }()
			return
		}
		_ = socket.CloseWrite() // fails only if the other end has closed already
	})
	both.Go(func() {
		if _, err := io.Copy(noting{channel, note}, socket); err != nil || channel.CloseWrite() != nil {
			abort()
		}
	})
	both.Wait()
}
