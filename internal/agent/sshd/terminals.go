package sshd

import (
	"strings"
	"sync"
	"unicode"
)

// terminals are those that are open, and what is said on them.
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

// SetNotice replaces what is printed at a login on a terminal, beside the
// message of the day.
func (s *Server) SetNotice(text string) {
	text = harmless(text)
	if text != "" {
		text = strings.TrimSuffix(text, "\n") + "\n"
	}
	s.terminals.mu.Lock()
	defer s.terminals.mu.Unlock()
	s.terminals.notice = text
}

// Warn writes a line to every open terminal, if it is another than that of the
// call before. Empty: there is nothing to warn of.
//
// It goes to the client, not to what runs on the terminal, and begins on a line
// of its own. A full-screen program does not know of it, as with wall(1), and
// paints over it when it paints next.
func (s *Server) Warn(line string) {
	line = strings.ReplaceAll(harmless(line), "\n", " ")
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
		output.say("\r\n" + line + "\r\n")
	}
}

// harmless drops what would steer a terminal. The operator's texts quote what
// people write.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
}
