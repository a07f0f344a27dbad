package openssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/creack/pty"
)

// Terminal is a program on a terminal that a test types at and reads.
type Terminal struct {
	cmd  *exec.Cmd
	file *os.File

	mu     sync.Mutex
	screen strings.Builder // everything that was ever written to it
	read   int             // how much of it was expected already
	more   chan struct{}   // closed when there is more, then replaced
	over   bool
}

// OpenTerminal starts a prepared program on a terminal of 80 columns and 24
// rows.
func OpenTerminal(cmd *exec.Cmd) (*Terminal, error) {
	cmd.Env = append(cmd.Env, "TERM=xterm-256color")
	file, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		return nil, err
	}
	t := &Terminal{cmd: cmd, file: file, more: make(chan struct{})}
	go t.copy()
	return t, nil
}

func (t *Terminal) copy() {
	chunk := make([]byte, 4096)
	for {
		n, err := t.file.Read(chunk)
		t.mu.Lock()
		t.screen.Write(chunk[:n])
		t.over = err != nil
		close(t.more)
		t.more = make(chan struct{})
		t.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Type sends keys.
func (t *Terminal) Type(keys string) error {
	_, err := t.file.WriteString(keys)
	return err
}

// Resize changes the size of the window.
func (t *Terminal) Resize(rows, columns uint16) error {
	return pty.Setsize(t.file, &pty.Winsize{Rows: rows, Cols: columns})
}

// Expect waits until words come that were not expected before.
func (t *Terminal) Expect(ctx context.Context, words string) error {
	for {
		t.mu.Lock()
		unread, over, more := t.screen.String()[t.read:], t.over, t.more
		if i := strings.Index(unread, words); i >= 0 {
			t.read += i + len(words)
			t.mu.Unlock()
			return nil
		}
		t.mu.Unlock()
		if over {
			return fmt.Errorf("the terminal closed before %q came; it showed %q", words, unread)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%q never came (%w); the terminal showed %q", words, context.Cause(ctx), unread)
		case <-more:
		}
	}
}

// Wait waits for the end of the program and returns its exit code.
func (t *Terminal) Wait() (int, error) {
	err := t.cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// Cut ends the client at once, without a word to the other side.
func (t *Terminal) Cut() error {
	if err := t.cmd.Process.Kill(); err != nil {
		return err
	}
	_, _ = t.Wait() // killed: there is nothing to learn from it
	return nil
}

// Screen is everything that the terminal has shown.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// Close gives the terminal back.
func (t *Terminal) Close() error { return t.file.Close() }
