package spawnapi

import (
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// master opens the master of a pseudo-terminal.
func master(t *testing.T) *os.File {
	t.Helper()
	opened, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { opened.Close() })
	var number int
	err = control(opened, func(fd int) (err error) {
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		if err == nil {
			err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return opened
}

// TestTerminalInBlockingMode: a spawner that puts a terminal into blocking mode can block
// reads of the SSH server, but cannot block hanging up.
func TestTerminalInBlockingMode(t *testing.T) {
	terminal := master(t)
	h := newHostile(t, func(c *Conn) {
		_ = c.Send(Reply{}, terminal)
		_, _ = c.Read(make([]byte, 1<<10)) // The connection stays open until the client acts.
	})
	p, err := h.client.Start(t.Context(), Start{Kind: KindShell, Terminal: &Terminal{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := control(terminal, func(fd int) error { return unix.SetNonblock(fd, false) }); err != nil {
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
