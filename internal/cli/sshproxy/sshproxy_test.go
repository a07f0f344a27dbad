package sshproxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"devserver.io/devserver/internal/exit"
)

// dial connects to a server that does something with its connection.
func dial(t *testing.T, serve func(net.Conn)) *net.TCPConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		serve(conn)
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func TestPipeGoesOnAfterTheEndOfItsInput(t *testing.T) {
	conn := dial(t, func(c net.Conn) {
		text, _ := io.ReadAll(c)
		_, _ = c.Write(bytes.ToUpper(text))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out bytes.Buffer
	if err := pipe(ctx, conn, strings.NewReader("hello"), &out); err != nil || out.String() != "HELLO" {
		t.Errorf("got %q and %v, want the answer to all of it", out.String(), err)
	}
}

func TestPipeEndsWithTheServer(t *testing.T) {
	conn := dial(t, func(c net.Conn) { _, _ = io.WriteString(c, "bye") })
	endless, writer := io.Pipe()
	defer writer.Close()
	var out bytes.Buffer
	if err := pipe(t.Context(), conn, endless, &out); err != nil || out.String() != "bye" {
		t.Errorf("got %q and %v, want what the bot said, and no wait for more input", out.String(), err)
	}
}

func TestPipeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	conn := dial(t, func(c net.Conn) {
		cancel()
		_, _ = io.Copy(io.Discard, c)
	})
	endless, writer := io.Pipe()
	defer writer.Close()
	if err := pipe(ctx, conn, endless, io.Discard); exit.Code(err) != exit.Interrupted {
		t.Errorf("got %v, want that it was interrupted", err)
	}
}
