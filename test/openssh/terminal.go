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

// Terminal is a program on a terminal. A test types keys and reads the output.
type Terminal struct {
	cmd  *exec.Cmd
	file *os.File

	mu     sync.Mutex
	screen strings.Builder // everything that was ever written to it
	read   int             // how much of it Expect has consumed
	more   chan struct{}   // closed and replaced when more is written
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

// Expect waits for words in the output after the words of the last call.
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
			return fmt.Errorf("the terminal closed without %q; it showed %q", words, unread)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%q did not appear (%w); the terminal showed %q", words, context.Cause(ctx), unread)
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

// Cut kills the client, which cannot close its connection properly.
func (t *Terminal) Cut() error {
	if err := t.cmd.Process.Kill(); err != nil {
		return err
	}
	_, _ = t.Wait() // the exit code of a killed client does not matter
	return nil
}

// Screen returns everything that the terminal has shown.
func (t *Terminal) Screen() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.screen.String()
}

// Close closes the terminal.
func (t *Terminal) Close() error { return t.file.Close() }
