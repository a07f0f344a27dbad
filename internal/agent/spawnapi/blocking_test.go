package spawnapi

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agent/pty"
)

// TestTerminalInBlockingMode: a spawner that puts a terminal into blocking mode can block
// reads of the SSH server, but cannot block hanging up.
func TestTerminalInBlockingMode(t *testing.T) {
	terminal, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	defer slave.Close()
	h := newHostile(t, func(c *Conn) {
		_ = c.Send(Reply{}, terminal)
		_, _ = c.Read(make([]byte, 1<<10)) // The connection stays open until the client acts.
	})
	p, err := h.client.Start(t.Context(), Start{Kind: KindShell, Terminal: &Terminal{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := descriptor.Use(terminal, func(fd int) error { return unix.SetNonblock(fd, false) }); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	go func() {
		close(reading)
		_, _ = p.Terminal.Read(make([]byte, 1))
	}()
	<-reading
	closed := make(chan struct{})
	go func() {
		p.Close()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Error("the terminal cannot be closed")
	}
}
