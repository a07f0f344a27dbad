package sshd

import (
	"errors"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/environ"
)

const (
	// After the shell has ended, its last output must still be read. The kernel
	// reports the end of the output only if no other process has the terminal
	// open. If a background job has, reading stops after a pause of lingerPause,
	// or after lingerBytes, which is more than the kernel can have buffered.
	lingerPause = 100 * time.Millisecond
	lingerBytes = 128 << 10

	maxMotdBytes = 64 << 10
)

// terminalRequest is the payload of pty-req: RFC 4254, section 6.2.
type terminalRequest struct {
	Term                         string
	Columns, Rows, Width, Height uint32
	Modes                        string
}

// window is the payload of window-change: section 6.7.
type window struct {
	Columns, Rows, Width, Height uint32
}

func (w window) size() *unix.Winsize {
	return &unix.Winsize{Col: clamp(w.Columns), Row: clamp(w.Rows), Xpixel: clamp(w.Width), Ypixel: clamp(w.Height)}
}

func clamp(n uint32) uint16 { return uint16(min(n, math.MaxUint16)) }

func (s *session) requestTerminal(request *ssh.Request) bool {
	var wanted terminalRequest
	if s.started || ssh.Unmarshal(request.Payload, &wanted) != nil || strings.ContainsRune(wanted.Term, 0) {
		return false
	}
	s.wanted = &wanted
	return true
}

func (s *session) changeWindow(request *ssh.Request) bool {
	var changed window
	if ssh.Unmarshal(request.Payload, &changed) != nil {
		return false
	}
	if s.wanted != nil && !s.started {
		s.wanted.Columns, s.wanted.Rows, s.wanted.Width, s.wanted.Height = changed.Columns, changed.Rows, changed.Width, changed.Height
		return true
	}
	if s.process == nil || s.process.terminal == nil {
		return false
	}
	return setSize(s.process.terminal, changed.size()) == nil
}

func (s *session) sendBreak(*ssh.Request) bool {
	if s.process == nil || s.process.terminal == nil {
		return false
	}
	return ioctl(s.process.terminal, func(fd int) error { return unix.IoctlSetInt(fd, unix.TCSBRK, 0) }) == nil
}

// runOnTerminal runs a command on a pseudo-terminal of its own.
func (s *session) runOnTerminal(cmd *exec.Cmd, vars environ.Vars, kind string) error {
	master, slave, err := s.openTerminal()
	if err != nil {
		return &refusal{exitNotExecutable, "Cannot open a terminal: " + err.Error() + "\n"}
	}
	output := &terminalOutput{master: master, count: s.conn.server.cfg.Traffic.Shown, done: make(chan struct{})}
	// Before the greeting, so that a warning that arrives in between is not lost.
	s.conn.server.terminals.add(output)
	if kind == "shell" {
		s.greet()
	}
	vars["SSH_TTY"] = slave.Name()
	cmd.Env = vars.List()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = s.conn.account.attributes()
	cmd.SysProcAttr.Setctty = true // its standard input
	running, err := s.conn.server.processes.start(cmd, master)
	slave.Close()
	if err != nil {
		s.conn.server.terminals.remove(output)
		master.Close()
		return err
	}
	s.process, s.output = running, master
	start := time.Now()
	go s.typeTo(master)
	go output.copyTo(s.channel)
	go func() {
		defer s.conn.server.processes.done()
		defer s.conn.server.survive("session")
		state := s.conn.server.processes.wait(running)
		s.conn.server.terminals.remove(output)
		output.finish()
		master.Close()
		s.finish(exitMessage(state))
		s.ended(kind, true, state, start)
	}()
	return nil
}

func (s *session) openTerminal() (master, slave *os.File, err error) {
	err = s.conn.account.as(func() error {
		master, slave, err = openPTY()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	size := window{s.wanted.Columns, s.wanted.Rows, s.wanted.Width, s.wanted.Height}.size()
	if err = setSize(master, size); err == nil {
		err = applyModes(slave, s.wanted.Modes)
	}
	if err != nil {
		master.Close()
		slave.Close()
		return nil, nil, err
	}
	return master, slave, nil
}

// greet prints the message of the day and a line about the server's resources, then
// the operator's notice, and a warning if the home volume is full. Like login(1), it
// leaves out the first two if the user has asked for quiet logins.
func (s *session) greet() {
	server, home := s.conn.server, s.conn.account.home()
	var text string
	if _, err := os.Stat(filepath.Join(home, ".hushlogin")); err != nil {
		text = motd(server.cfg.MotdFile)
		if line := server.cfg.Usage(); line != "" {
			text += line + "\n"
		}
	}
	text += server.terminals.noticeText()
	if room, err := RoomOf(home); err == nil && home == server.cfg.Environment.Home {
		text += fullHome(room)
	}
	_, _ = io.WriteString(s.channel, s.lines(text))
}

// motd returns the message of the day. It is empty if the file does not exist.
func motd(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, maxMotdBytes)) // after an error, the part before it is printed
	return string(text)
}

// typeTo copies the client's input to the terminal. As with sshd, the end of
// that input does not close the terminal: a user ends input with Control-D.
func (s *session) typeTo(master *os.File) {
	defer s.conn.server.survive("terminal input")
	_, _ = io.Copy(countingWriter{master, s.conn.server.cfg.Traffic.Typed}, s.channel)
}

// terminalOutput copies the output of a terminal to the client.
type terminalOutput struct {
	master *os.File
	count  func(bytes int)
	done   chan struct{}
	// exited is set when the shell has ended.
	exited atomic.Bool
	// message is a text to insert into the output, or nil.
	message atomic.Pointer[string]
}

func (o *terminalOutput) copyTo(channel io.Writer) {
	defer close(o.done)
	buffer := make([]byte, 32<<10)
	for left := lingerBytes; left > 0; {
		if o.exited.Load() && o.master.SetReadDeadline(time.Now().Add(lingerPause)) != nil {
			return
		}
		n, err := o.master.Read(buffer)
		if o.exited.Load() {
			left -= n
		}
		if n > 0 {
			o.count(n)
			if _, err := channel.Write(buffer[:n]); err != nil {
				// The client has disconnected: hang up the processes on the terminal.
				o.master.Close()
				return
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !o.exited.Load() {
			err = o.writeMessage(channel)
		}
		if err != nil {
			return // all output is read (EIO), or the pause is over
		}
	}
}

// insert inserts a text into the output and returns at once. The goroutine that
// runs copyTo writes the text, later if the client does not read. A later text
// replaces one that has not been written yet.
func (o *terminalOutput) insert(text string) {
	o.message.Store(&text)
	// A deadline in the past ends a pending read. This fails if the terminal is
	// closed.
	_ = o.master.SetReadDeadline(time.Unix(1, 0))
}

// writeMessage writes the message after insert has ended a read.
func (o *terminalOutput) writeMessage(channel io.Writer) error {
	// Before the message is taken, so that the next insert ends a read again.
	if err := o.master.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	text := o.message.Swap(nil)
	if text == nil {
		return nil
	}
	_, err := io.WriteString(channel, *text)
	return err
}

// finish waits until the last output has been copied.
func (o *terminalOutput) finish() {
	o.exited.Store(true)
	// Limits a read that began before. This fails if the terminal is closed.
	_ = o.master.SetReadDeadline(time.Now().Add(lingerPause))
	<-o.done
}
