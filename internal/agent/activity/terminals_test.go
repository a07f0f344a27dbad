package activity

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agentapi"
)

// pty is a real pseudo-terminal, such as an editor makes.
type pty struct {
	t             *testing.T
	master, slave *os.File
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return &pty{t, master, slave}
}

// rest sets the times of the terminal to an hour ago.
func (p *pty) rest() {
	p.t.Helper()
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(p.slave.Name(), then, then); err != nil {
		p.t.Fatal(err)
	}
}

// typed sends a line to the terminal, and reads it as a program would.
func (p *pty) typed() {
	p.t.Helper()
	if _, err := p.master.WriteString("ls\n"); err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.slave.Read(make([]byte, 10)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pty) printed() {
	p.t.Helper()
	if _, err := p.slave.WriteString("12:00\n"); err != nil {
		p.t.Fatal(err)
	}
}

// show links the terminal into the folder that is watched, because the kernel's own
// folder has the terminals of the whole machine.
func (p *pty) show(dir string) string {
	p.t.Helper()
	link := filepath.Join(dir, filepath.Base(p.slave.Name()))
	if err := os.Symlink(p.slave.Name(), link); err != nil {
		p.t.Fatal(err)
	}
	return link
}

// TestTypingElsewhere shows that input on a terminal that the SSH server did not make
// is activity, and that output is not.
func TestTypingElsewhere(t *testing.T) {
	f := newFakeServer(t)
	dir := t.TempDir()
	write(t, dir, "ptmx", "")
	f.watch.ptys.dir = dir
	editor := newPTY(t)
	link := editor.show(dir)
	editor.rest()
	f.watch.ptys.read = nil
	f.pass(time.Hour, nil)
	f.check(agentapi.SignalTerminal, -1, "")

	editor.typed()
	f.pass(time.Minute, nil)
	f.check(agentapi.SignalTerminal, 45, "input read 45s ago")
	editor.rest()
	f.pass(15*time.Second, nil)
	f.pass(time.Hour, editor.printed)
	f.check(agentapi.SignalTerminal, 3600, "input read 1h0m ago")

	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	f.pass(time.Minute, nil)
	f.check(agentapi.SignalTerminal, 3660, "")
	editor.show(dir)
	f.pass(15*time.Second, nil)
	f.check(agentapi.SignalTerminal, 0, "input read 0s ago")
}

// TestTerminalsThatCannotBeRead shows that they count as active.
func TestTerminalsThatCannotBeRead(t *testing.T) {
	f := newFakeServer(t)
	f.watch.ptys.dir = filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(f.watch.ptys.dir), "file", "")
	f.pass(time.Minute, nil)
	f.check(agentapi.SignalTerminal, 0, "other terminals unknown: ")
}
