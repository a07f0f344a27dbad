package sshpolicy

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long these tests wait for what must happen.
const patience = 30 * time.Second

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (server *Conn, client *net.TCPConn) {
	t.Helper()
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	client, err = net.DialTCP("tcp", nil, listener.Addr().(*net.TCPAddr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	if err := client.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	raw, err := listener.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	return NewConn(raw), client
}

// awaitUnread waits until the kernel holds data that raw has not read.
func awaitUnread(t *testing.T, raw net.Conn) {
	t.Helper()
	socket, err := raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var peeked error
	err = socket.Read(func(fd uintptr) bool {
		_, _, peeked = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(peeked, unix.EAGAIN)
	})
	if err != nil || peeked != nil {
		t.Fatal(err, peeked)
	}
}

// TestCloseDoesNotReset closes connections that a socket of its own would
// reset, and has the client read all that was written to it.
func TestCloseDoesNotReset(t *testing.T) {
	t.Run("UnreadData", func(t *testing.T) {
		server, client := pair(t)
		write(t, client, "not read by the server")
		awaitUnread(t, server.Conn)
		write(t, server, "exit status")
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		wantAll(t, client, "exit status")
		client.Close()
		<-server.Closed()
	})
	t.Run("LaterData", func(t *testing.T) {
		server, client := pair(t)
		write(t, server, "exit status")
		if err := server.Close(); err != nil {
			t.Fatal(err)
		}
		wantAll(t, client, "exit status")
		// The second write would fail on a connection that the first had reset.
		write(t, client, "disconnect")
		write(t, client, "disconnect again")
		if err := client.CloseWrite(); err != nil {
			t.Errorf("the client cannot close its side: %v", err)
		}
		<-server.Closed()
	})
}

func write(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Errorf("writing %q: %v", text, err)
	}
}

func wantAll(t *testing.T, from io.Reader, want string) {
	t.Helper()
	if got, err := io.ReadAll(from); string(got) != want || err != nil {
		t.Errorf("the client read %q, %v, want %q and the end", got, err, want)
	}
}

// TestCloseEndsReadsAndWrites: neither a read nor a write outlives Close, and
// nothing that arrives later is served.
func TestCloseEndsReadsAndWrites(t *testing.T) {
	server, client := pair(t)
	read, written := make(chan error), make(chan error)
	go func() {
		_, err := server.Read(make([]byte, 1))
		read <- err
	}()
	go func() {
		// More than the kernel holds for a client that reads nothing.
		_, err := server.Write(make([]byte, 64<<20))
		written <- err
	}()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("the read ended with %v, want %v", err, net.ErrClosed)
	}
	if err := <-written; err == nil {
		t.Error("the write succeeded")
	}
	_, _ = io.WriteString(client, "too late")
	if n, err := server.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read after Close: %d bytes, %v", n, err)
	}
	if err := server.SetDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a deadline after Close: %v", err)
	}
	if err := server.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	// The client does not close its side: the socket is closed all the same.
	<-server.Closed()
}
