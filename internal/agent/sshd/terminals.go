package sshd

import (
	"strings"
	"sync"

	"devserver.io/devserver/internal/printable"
)

// terminals holds the open terminals and the texts to show on them.
type terminals struct {
	mu      sync.Mutex
	open    map[*terminalOutput]bool
	notice  string
	warning string
}

func (t *terminals) add(o *terminalOutput) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[o] = true
}

func (t *terminals) remove(o *terminalOutput) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, o)
}

func (t *terminals) noticeText() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.notice
}

// SetNotice replaces the text that a login on a terminal prints after the
// message of the day. The operator's texts can quote users, who must not be able
// to send escape sequences to the terminals of others.
func (s *Server) SetNotice(text string) {
	text = printable.Text(text)
	if text != "" {
		text = strings.TrimSuffix(text, "\n") + "\n"
	}
	s.terminals.mu.Lock()
	defer s.terminals.mu.Unlock()
	s.terminals.notice = text
}

// Warn writes a line to every open terminal unless it is the line of the last
// call. An empty line writes nothing, so that the next line is written even if
// it was written before.
//
// The line goes to the client only, and starts on a new line. As with wall(1), a
// full-screen program does not know about it and overwrites it when it redraws.
func (s *Server) Warn(line string) {
	line = printable.Prose(line, 0)
	s.terminals.mu.Lock()
	defer s.terminals.mu.Unlock()
	if line == s.terminals.warning {
		return
	}
	s.terminals.warning = line
	if line == "" {
		return
	}
	for output := range s.terminals.open {
		output.insert("\r\n" + line + "\r\n")
	}
}
