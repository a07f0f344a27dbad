package spawner

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// process is the command of a session. It leads its own kernel session, so its
// process id is also the id of its process group.
type process struct {
	*child
	reaper *reaper
	// terminal is the master side of its pseudo-terminal, or nil without one.
	terminal *os.File
}

// control carries out a message about the process. An error means that it has ended.
func (p *process) control(message spawnapi.Control) error {
	switch {
	case message.Signal > 0:
		return p.signal(syscall.Signal(message.Signal))
	case p.terminal == nil:
		return nil
	case message.Size != nil:
		return setSize(p.terminal, *message.Size)
	case message.HangUp:
		// The kernel sends SIGHUP to the processes on the terminal.
		return p.terminal.Close()
	case message.Break:
		return descriptor.Use(p.terminal, func(fd int) error { return unix.IoctlSetInt(fd, unix.TCSBRK, 0) })
	}
	return nil
}

// signal delivers a client's signal to the foreground job of the terminal or,
// without a terminal, to the command's process group.
func (p *process) signal(signal syscall.Signal) error {
	return p.reaper.signal(p.child, func(group int) error {
		if p.terminal != nil {
			if foreground, err := foregroundGroup(p.terminal); err == nil && foreground > 0 {
				group = foreground
			}
		}
		return syscall.Kill(-group, signal)
	})
}

func foregroundGroup(terminal *os.File) (group int, err error) {
	err = descriptor.Use(terminal, func(fd int) error {
		got, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
		group = got
		return err
	})
	return group, err
}

// askToEnd asks the command to end. On a terminal it sends SIGHUP, because an
// interactive shell ignores SIGTERM, but on SIGHUP it ends and ends its jobs. It
// must send SIGHUP only once: on a second one, bash exits without running its
// exit trap or hanging up its jobs.
func (p *process) askToEnd() {
	_ = p.reaper.signal(p.child, func(leader int) error { // fails only if it has ended
		if p.terminal == nil {
			return syscall.Kill(-leader, syscall.SIGTERM)
		}
		groups := []int{leader}
		if foreground, err := foregroundGroup(p.terminal); err == nil && foreground > 0 && foreground != leader {
			groups = append(groups, foreground)
		}
		for _, group := range groups {
			_ = syscall.Kill(-group, syscall.SIGHUP)
			_ = syscall.Kill(-group, syscall.SIGCONT)
		}
		return nil
	})
}

func (p *process) kill() {
	_ = p.reaper.signal(p.child, func(leader int) error { return syscall.Kill(-leader, syscall.SIGKILL) })
}

func setSize(terminal *os.File, size spawnapi.Size) error {
	window := &unix.Winsize{Col: size.Columns, Row: size.Rows, Xpixel: size.Width, Ypixel: size.Height}
	return descriptor.Use(terminal, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, window) })
}
