package sshd

import (
	"fmt"
	"math"
	"os"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// openPTY makes a pseudo-terminal. Its master is in non-blocking mode: only
// then does closing it wake whoever reads it, and so let the kernel hang up
// what runs on it, and only then do read deadlines work. The pty package takes
// the files of its own calls out of that mode.
func openPTY() (master, slave *os.File, err error) {
	blocking, slave, err := pty.Open()
	if err != nil {
		return nil, nil, err
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		slave.Close()
		return nil, nil, fmt.Errorf("duplicating the terminal's descriptor: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		slave.Close()
		return nil, nil, fmt.Errorf("making the terminal non-blocking: %w", err)
	}
	return os.NewFile(uintptr(fd), blocking.Name()), slave, nil
}

// resize tells a terminal the size of the client's window. It leaves the
// file's mode as it is, unlike pty.Setsize.
func resize(terminal *os.File, w window) error {
	size := &unix.Winsize{Row: clamp(w.Rows), Col: clamp(w.Columns), Xpixel: clamp(w.Width), Ypixel: clamp(w.Height)}
	raw, err := terminal.SyscallConn()
	if err != nil {
		return err
	}
	var ioctl error
	if err := raw.Control(func(fd uintptr) { ioctl = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, size) }); err != nil {
		return err
	}
	return ioctl
}

func clamp(n uint32) uint16 { return uint16(min(n, math.MaxUint16)) }
