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

// join copies in both directions between a channel and a socket until both
// directions have ended, and counts the bytes. The end of one direction is
// passed on as a half-close, because the other may go on. In particular, a
// program that stops reading, such as an HTTP server that refuses an upload, may
// still answer.
func join(ctx context.Context, channel ssh.Channel, socket halfCloser, count func(bytes int)) {
	abort := func() {
		channel.Close()
		socket.Close()
	}
	// A peer that ignores a half-closed socket must not outlive the connection.
	defer context.AfterFunc(ctx, abort)()
	defer abort()
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := io.Copy(countingWriter{socket, count}, channel); err != nil {
			// The client may keep sending until it has read the answer.
			go func() { _, _ = io.Copy(io.Discard, channel) }()
			return
		}
		_ = socket.CloseWrite() // fails only if the other end has closed already
	})
	both.Go(func() {
		if _, err := io.Copy(countingWriter{channel, count}, socket); err != nil || channel.CloseWrite() != nil {
			abort()
		}
	})
	both.Wait()
}
