package sshd

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// screen is a session on a terminal, from the user's side.
type screen struct {
	ts     *testServer
	input  io.Writer
	output *bufio.Reader
}

// screen runs a command on a terminal, or a shell if command is empty.
func (ts *testServer) screen(client *ssh.Client, command string) *screen {
	ts.t.Helper()
	session := ts.session(client)
	if err := session.RequestPty("xterm", 24, 80, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		ts.t.Fatal(err)
	}
	input, err := session.StdinPipe()
	if err != nil {
		ts.t.Fatal(err)
	}
	output, err := session.StdoutPipe()
	if err != nil {
		ts.t.Fatal(err)
	}
	if command == "" {
		err = session.Shell()
	} else {
		err = session.Start(command)
	}
	if err != nil {
		ts.t.Fatal(err)
	}
	return &screen{ts, input, bufio.NewReader(output)}
}

// expect reads until it has read a line, and returns the output before that line.
func (t *screen) expect(line string) (before string) {
	t.ts.t.Helper()
	for {
		got, err := t.output.ReadString('\n')
		if got == line+"\r\n" {
			return before
		}
		if err != nil {
			t.ts.t.Fatalf("the terminal ended with %q, without %q: %v", before+got, line, err)
		}
		before += got
	}
}

func (t *screen) typeLine(line string) {
	t.ts.t.Helper()
	if _, err := io.WriteString(t.input, line+"\n"); err != nil {
		t.ts.t.Fatal(err)
	}
}

func TestWarning(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	const capitalize = "echo ready; tr a-z A-Z"
	screens := []*screen{ts.screen(client, capitalize), ts.screen(client, capitalize), ts.screen(ts.dial(), capitalize)}
	for _, screen := range screens {
		screen.expect("ready")
	}
	ts.server.Warn("Suspended at 15:40.")
	for i, screen := range screens {
		if before := screen.expect("Suspended at 15:40."); before != "\r\n" {
			t.Errorf("terminal %d: before the warning is %q, want a line break", i, before)
		}
	}
	// A repeated warning is written once, and again after an empty one.
	ts.server.Warn("Suspended at 15:40.")
	ts.server.Warn("Five minutes\x1b[2J\nleft")
	for _, screen := range screens {
		if before := screen.expect(`Five minutes\x1b[2J left`); before != "\r\n" {
			t.Errorf("before the second warning is %q", before)
		}
	}
	ts.server.Warn("")
	ts.server.Warn("Five minutes left")
	for i, screen := range screens {
		screen.expect("Five minutes left")
		// The command did not receive the warning as input, and still runs.
		screen.typeLine("still here")
		if _, err := io.WriteString(screen.input, "\x04"); err != nil {
			t.Fatal(err)
		}
		rest, _ := io.ReadAll(screen.output)
		if string(rest) != "STILL HERE\r\n" {
			t.Errorf("terminal %d then shows %q", i, rest)
		}
	}
	ts.await("the end of all terminals", func() bool {
		ts.server.terminals.mu.Lock()
		defer ts.server.terminals.mu.Unlock()
		return len(ts.server.terminals.open) == 0
	})
}

// Warnings arrive during output and while the terminal ends. No output is lost.
func TestWarningAmidOutput(t *testing.T) {
	ts := serve(t, nil)
	var numbers strings.Builder
	for i := range 20000 {
		fmt.Fprintln(&numbers, i+1)
	}
	for range 20 {
		screen := ts.screen(ts.dial(), "stty -opost; echo ready; seq 1 20000; read line; seq 1 20000")
		if line, err := screen.output.ReadString('\n'); err != nil || line != "ready\n" {
			t.Fatalf("the output starts with %q, %v", line, err)
		}
		ts.server.Warn("one")
		screen.typeLine("go on")
		ts.server.Warn("two")
		all, err := io.ReadAll(screen.output)
		if err != nil {
			t.Fatal(err)
		}
		output := strings.NewReplacer("\r\none\r\n", "", "\r\ntwo\r\n", "").Replace(string(all))
		if output == string(all) {
			t.Fatal("no warning was written")
		}
		if output != numbers.String()+numbers.String() {
			t.Fatalf("output is missing: got %d bytes, the last are %q", len(output), output[max(0, len(output)-40):])
		}
	}
}

func TestNotice(t *testing.T) {
	ts := serve(t, nil)
	home := ts.home
	if err := os.WriteFile(filepath.Join(home, "motd"), []byte("Welcome.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	greeting := func() string {
		screen := ts.screen(ts.dial(), "")
		screen.typeLine("echo; echo 'the 'end")
		return screen.expect("the end")
	}
	if got := greeting(); !strings.HasPrefix(got, "Welcome.\r\n") {
		t.Errorf("without a notice: %q", got)
	}
	ts.server.SetNotice("Started for you.\nExpires \x1b]0;evil\x07tomorrow.")
	if got := greeting(); !strings.HasPrefix(got, "Welcome.\r\nStarted for you.\r\nExpires \\x1b]0;evil\\x07tomorrow.\r\n") {
		t.Errorf("with a notice: %q", got)
	}
	// The notice is printed even if the user has disabled the message of the day.
	if err := os.WriteFile(filepath.Join(home, ".hushlogin"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := greeting(); !strings.HasPrefix(got, "Started for you.\r\n") {
		t.Errorf("with .hushlogin: %q", got)
	}
	ts.server.SetNotice("")
	if got := greeting(); strings.Contains(got, "Started") {
		t.Errorf("the removed notice is still printed: %q", got)
	}
}
