package sshd

import (
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/pty"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// terminalRequest is the payload of pty-req: RFC 4254, section 6.2.
type terminalRequest struct {
	Term                         string
	Columns, Rows, Width, Height uint32
	Modes                        string
}

func (r *terminalRequest) size() spawnapi.Size {
	return window{r.Columns, r.Rows, r.Width, r.Height}.size()
}

// window is the payload of window-change: section 6.7.
type window struct {
	Columns, Rows, Width, Height uint32
}

func (w window) size() spawnapi.Size {
	return spawnapi.Size{Columns: clamp(w.Columns), Rows: clamp(w.Rows), Width: clamp(w.Width), Height: clamp(w.Height)}
}

func clamp(n uint32) uint16 { return uint16(min(n, math.MaxUint16)) }

func (s *session) requestTerminal(request *ssh.Request) bool {
	var wanted terminalRequest
	if s.requested || len(request.Payload) > maxDescription || ssh.Unmarshal(request.Payload, &wanted) != nil || strings.ContainsRune(wanted.Term, 0) {
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
	if s.wanted != nil && s.process == nil {
		s.wanted.Columns, s.wanted.Rows, s.wanted.Width, s.wanted.Height = changed.Columns, changed.Rows, changed.Width, changed.Height
		return true
	}
	if s.process == nil || s.process.Terminal == nil {
		return false
	}
	size := changed.size()
	return s.process.Control(spawnapi.Control{Size: &size}) == nil
}

func (s *session) sendBreak(*ssh.Request) bool {
	if s.process == nil || s.process.Terminal == nil {
		return false
	}
	return s.process.Control(spawnapi.Control{Break: true}) == nil
}

// runOnTerminal starts a command on a pseudo-terminal of its own.
func (s *session) runOnTerminal(request spawnapi.Start) error {
	size := s.wanted.size()
	request.Terminal = &spawnapi.Terminal{Size: size, Modes: []byte(s.wanted.Modes)}
	return s.start(request, func(process *spawnapi.Process) {
		if now := s.wanted.size(); now != size {
			_ = process.Control(spawnapi.Control{Size: &now}) // it changed while the container was starting
		}
		s.onTerminal(request, process)
	})
}

// onTerminal connects the client to its terminal.
func (s *session) onTerminal(request spawnapi.Start, process *spawnapi.Process) {
	master := process.Terminal
	output := &terminalOutput{master: master, hangUp: process.HangUp, count: s.conn.server.cfg.Traffic.Shown, done: make(chan struct{})}
	// Before the greeting, so that a warning that arrives in between is not lost.
	s.conn.server.terminals.add(output)
	if request.Kind == spawnapi.KindShell {
		_, _ = io.WriteString(s.channel, s.lines(process.Greeting+s.conn.server.terminals.noticeText()))
	}
	s.stop = process.HangUp
	start := time.Now()
	go s.typeTo(master)
	go output.copyTo(s.channel)
	go s.awaitEnd(request, process, start, func() {
		s.conn.server.terminals.remove(output)
		output.finish()
	})
}

// typeTo copies the client's input to the terminal. As with sshd, the end of
// that input does not close the terminal: a user ends input with Control-D.
func (s *session) typeTo(master io.Writer) {
	defer s.conn.server.survive("terminal input")
	_, _ = io.Copy(countingWriter{master, s.conn.server.cfg.Traffic.Typed}, s.channel)
	_, _ = io.Copy(io.Discard, s.channel) // after the terminal was closed
}

// terminalOutput copies the output of a terminal to the client.
type terminalOutput struct {
	master spawnapi.Stream
	hangUp func()
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
	for left := pty.LingerBytes; left > 0; {
		if o.exited.Load() && o.master.SetReadDeadline(time.Now().Add(pty.LingerPause)) != nil {
			return
		}
		n, err := o.master.Read(buffer)
		if o.exited.Load() {
			left -= n
		}
		if n > 0 {
			o.count(n)
			if _, err := channel.Write(buffer[:n]); err != nil {
				o.hangUp() // The client has disconnected.
				return
			}
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !o.exited.Load() {
			err = o.writeMessage(channel)
		}
		if err != nil {
			// All output is read (EIO), the pause is over, or the terminal is closed.
			_ = o.writePending(channel) // fails only with the connection
			return
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
	return o.writePending(channel)
}

// writePending writes the message, if there is one.
func (o *terminalOutput) writePending(channel io.Writer) error {
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
	_ = o.master.SetReadDeadline(time.Now().Add(pty.LingerPause))
	select {
	case <-o.done:
	case <-time.After(pty.LastOutput):
		// The client does not read, or a read blocks despite its deadline because the
		// user has put the terminal into blocking mode.
	}
}
