package sshd

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
)

// answering is a socket of a program that does not read its input. It answers
// once join has noticed that writing fails.
type answering struct {
	net.Conn
	answer   io.Reader
	goesOn   <-chan struct{}
	closed   chan struct{}
	closeOne sync.Once
}

func (a *answering) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func (a *answering) Read(p []byte) (int, error) {
	select {
	case <-a.goesOn:
		return a.answer.Read(p)
	case <-a.closed:
		return 0, net.ErrClosed
	}
}

func (a *answering) CloseWrite() error { return nil }

func (a *answering) Close() error {
	a.closeOne.Do(func() { close(a.closed) })
	return nil
}

// uploading is a channel of a client that keeps sending until the channel is
// closed.
type uploading struct {
	ssh.Channel
	got      bytes.Buffer
	reads    int
	goesOn   chan struct{}
	closed   chan struct{}
	closeOne sync.Once
}

func (u *uploading) Read(p []byte) (int, error) {
	u.reads++
	switch u.reads {
	case 1:
		return copy(p, "upload"), nil
	case 2:
		close(u.goesOn)
	}
	<-u.closed
	return 0, io.EOF
}

func (u *uploading) Write(p []byte) (int, error) {
	select {
	case <-u.closed:
		return 0, io.EOF
	default:
		return u.got.Write(p)
	}
}

func (u *uploading) CloseWrite() error { return nil }

func (u *uploading) Close() error {
	u.closeOne.Do(func() { close(u.closed) })
	return nil
}

// TestAnswerToAnUnreadUploadArrives: a program may refuse an upload without
// reading it, and its answer still reaches the client.
func TestAnswerToAnUnreadUploadArrives(t *testing.T) {
	channel := &uploading{goesOn: make(chan struct{}), closed: make(chan struct{})}
	socket := &answering{answer: bytes.NewBufferString("413 too large"), goesOn: channel.goesOn, closed: make(chan struct{})}
	join(context.Background(), channel, socket, func(int) {})
	if got := channel.got.String(); got != "413 too large" {
		t.Errorf("the client read %q, want the whole answer", got)
	}
	<-socket.closed
}
