package sshd

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// testTerminal is a session on a terminal, read line by line.
type testTerminal struct {
	t       *testing.T
	session *ssh.Session
	in      io.WriteCloser
	out     *bufio.Reader
}

func (ts *testServer) terminal(t *testing.T, modes ssh.TerminalModes, command string) *testTerminal {
	t.Helper()
	session := ts.session(ts.dial())
	if err := session.RequestPty("vt220", 24, 80, modes); err != nil {
		t.Fatal(err)
	}
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start(command); err != nil {
		t.Fatal(err)
	}
	return &testTerminal{t, session, in, bufio.NewReader(out)}
}

// expect reads until it has read the line want.
func (tt *testTerminal) expect(want string) {
	tt.t.Helper()
	var seen []string
	for {
		line, err := tt.out.ReadString('\n')
		line = strings.TrimRight(line, "\r\n")
		if line == want {
			return
		}
		seen = append(seen, line)
		if err != nil {
			tt.t.Fatalf("%q never came: %v: %q", want, err, seen)
		}
	}
}

func (tt *testTerminal) exits(code int) {
	tt.t.Helper()
	_, _ = io.Copy(io.Discard, tt.out)
	err := tt.session.Wait()
	var exit *ssh.ExitError
	if (code == 0 && err == nil) || (errors.As(err, &exit) && exit.ExitStatus() == code) {
		return
	}
	tt.t.Errorf("exit: got %v, want code %d", err, code)
}

func TestWindowChanges(t *testing.T) {
	ts := serve(t, nil)
	tt := ts.terminal(t, nil, `trap 'stty size; exit 7' WINCH; stty size; echo $TERM; while :; do sleep 0.01; done`)
	tt.expect("24 80")
	tt.expect("vt220")
	if err := tt.session.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	tt.expect("50 132")
	tt.exits(7)
}

// A client may change the window size before it starts a command.
func TestWindowChangeBeforeTheCommand(t *testing.T) {
	ts := serve(t, nil)
	session := ts.session(ts.dial())
	if err := session.RequestPty("vt220", 24, 80, nil); err != nil {
		t.Fatal(err)
	}
	if err := session.WindowChange(50, 132); err != nil {
		t.Fatal(err)
	}
	if out, err := session.Output("stty size"); err != nil || string(out) != "50 132\r\n" {
		t.Errorf("the size is %q, %v", out, err)
	}
}

func TestAbsurdWindowIsClamped(t *testing.T) {
	ts := serve(t, nil)
	tt := ts.terminal(t, nil, `while test "$(stty size)" != "65535 65535"; do sleep 0.01; done`)
	if err := tt.session.WindowChange(1<<30, 1<<31-1); err != nil {
		t.Fatal(err)
	}
	tt.exits(0)
}

func TestTypedControlCharacters(t *testing.T) {
	ts := serve(t, nil)
	tests := map[string]struct {
		modes ssh.TerminalModes
		typed string
		trap  string
	}{
		"interrupt":         {nil, "\x03", "INT"},
		"quit":              {nil, "\x1c", "QUIT"},
		"another interrupt": {ssh.TerminalModes{ssh.VINTR: 'x'}, "x", "INT"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tt := ts.terminal(t, test.modes, fmt.Sprintf(`trap 'exit 9' %s; echo ready; while :; do sleep 0.01; done`, test.trap))
			tt.expect("ready")
			if _, err := io.WriteString(tt.in, test.typed); err != nil {
				t.Fatal(err)
			}
			tt.exits(9)
		})
	}
}

func TestTerminalModesAreApplied(t *testing.T) {
	ts := serve(t, nil)
	tests := map[string]struct {
		modes ssh.TerminalModes
		want  []string
	}{
		"echo off":      {ssh.TerminalModes{ssh.ECHO: 0}, []string{"-echo"}},
		"raw":           {ssh.TerminalModes{ssh.ICANON: 0, ssh.ISIG: 0, ssh.OPOST: 0, ssh.IXON: 0}, []string{"-icanon", "-isig", "-opost", "-ixon"}},
		"UTF-8":         {ssh.TerminalModes{ssh.IUTF8: 1}, []string{"iutf8"}},
		"no UTF-8":      {ssh.TerminalModes{ssh.IUTF8: 0}, []string{"-iutf8"}},
		"erase":         {ssh.TerminalModes{ssh.VERASE: 8}, []string{"erase = ^H;"}},
		"no interrupt":  {ssh.TerminalModes{ssh.VINTR: 255}, []string{"intr = <undef>;"}},
		"speed":         {ssh.TerminalModes{ssh.TTY_OP_ISPEED: 9600, ssh.TTY_OP_OSPEED: 9600}, []string{"speed 9600 baud"}},
		"unknown speed": {ssh.TerminalModes{ssh.TTY_OP_OSPEED: 12345}, []string{"speed 38400 baud"}},
		"unknown":       {ssh.TerminalModes{159: 1, 200: 7}, []string{"icanon"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			session := ts.session(ts.dial())
			if err := session.RequestPty("xterm", 24, 80, test.modes); err != nil {
				t.Fatal(err)
			}
			out, err := session.CombinedOutput("stty -a")
			if err != nil {
				t.Fatal(err)
			}
			words := " " + strings.Join(strings.Fields(string(out)), " ") + " "
			for _, want := range test.want {
				if !strings.Contains(words, " "+want) {
					t.Errorf("the terminal lacks %q: %s", want, words)
				}
			}
		})
	}
}

func TestSignals(t *testing.T) {
	ts := serve(t, nil)
	for name, number := range signalNumbers {
		if name == ssh.SIGKILL {
			continue
		}
		t.Run(string(name), func(t *testing.T) {
			session := ts.session(ts.dial())
			out, err := session.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := session.Start(fmt.Sprintf(`trap 'exit 9' %d; echo ready; while :; do sleep 0.01; done`, number)); err != nil {
				t.Fatal(err)
			}
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
				t.Fatalf("read %q, %v", line, err)
			}
			if err := session.Signal(name); err != nil {
				t.Fatal(err)
			}
			var exit *ssh.ExitError
			if err := session.Wait(); !errors.As(err, &exit) || exit.ExitStatus() != 9 {
				t.Errorf("exit %v", err)
			}
		})
	}
}

func TestExitSignal(t *testing.T) {
	ts := serve(t, nil)
	for command, want := range map[string]string{"kill -9 $$": "KILL", "kill -SEGV $$": "SEGV", "kill -BUS $$": "BUS@openssh.com", "kill -TERM $$": "TERM"} {
		var exit *ssh.ExitError
		if err := ts.session(ts.dial()).Run(command); !errors.As(err, &exit) || exit.Signal() != want {
			t.Errorf("%s: %v, want signal %s", command, err, want)
		}
	}
}

// A signal request from the client reaches the foreground job.
func TestSignalReachesTheForeground(t *testing.T) {
	ts := serve(t, nil)
	tt := ts.terminal(t, nil, `set -m; sh -c "trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done"; exit $(($? + 1))`)
	tt.expect("ready")
	if err := tt.session.Signal(ssh.SIGINT); err != nil {
		t.Fatal(err)
	}
	tt.exits(4)
}

func TestEnvironmentRequests(t *testing.T) {
	ts := serve(t, nil)
	session := ts.session(ts.dial())
	for name, accepted := range map[string]bool{"LANG": true, "LC_ALL": true, "PATH": false, "LD_PRELOAD": false, "BASH_ENV": false} {
		if err := session.Setenv(name, "x"); (err == nil) != accepted {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// requestAccepted sends a session request, and reports whether it was accepted.
func requestAccepted(t *testing.T, session *ssh.Session, kind string, payload any) bool {
	t.Helper()
	var encoded []byte
	if payload != nil {
		encoded = ssh.Marshal(payload)
	}
	ok, err := session.SendRequest(kind, true, encoded)
	if err != nil {
		t.Fatalf("%s: %v", kind, err)
	}
	return ok
}

func TestRequestsThatAreRefused(t *testing.T) {
	ts := serve(t, nil)
	session := ts.session(ts.dial())
	type one struct{ S string }
	refused := []struct {
		kind    string
		payload any
	}{
		{"x11-req", struct {
			Single         bool
			Protocol, Auth string
			Screen         uint32
		}{false, "MIT-MAGIC-COOKIE-1", "00", 0}},
		{"subsystem", one{"no-such"}},
		{"window-change", nil},
		{"window-change", window{1, 2, 3, 4}}, // without a terminal
		{"pty-req", one{"cut off"}},
		{"env", one{"cut off"}},
		{"exec", nil},
		{"signal", one{"TERM"}}, // before there is a process
		{"break", struct{ Length uint32 }{500}},
		{"no-such-request", nil},
		{"", nil},
	}
	for _, request := range refused {
		if requestAccepted(t, session, request.kind, request.payload) {
			t.Errorf("%s with %v was accepted", request.kind, request.payload)
		}
	}
	// The session can still be used.
	out, err := session.Output("echo fine")
	if err != nil || string(out) != "fine\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestSecondCommandIsRefused(t *testing.T) {
	ts := serve(t, nil)
	session := ts.session(ts.dial())
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("cat"); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"exec", "shell", "subsystem"} {
		if requestAccepted(t, session, kind, struct{ S string }{"sftp"}) {
			t.Errorf("a second %s was accepted", kind)
		}
	}
	if requestAccepted(t, session, "signal", struct{ S string }{"NOSUCH"}) {
		t.Error("an unknown signal was accepted")
	}
	in.Close()
	if err := session.Wait(); err != nil {
		t.Error(err)
	}
}

func TestBreak(t *testing.T) {
	ts := serve(t, nil)
	tt := ts.terminal(t, nil, "echo ready; read line")
	tt.expect("ready")
	if !requestAccepted(t, tt.session, "break", struct{ Length uint32 }{500}) {
		t.Error("a break on a terminal was refused")
	}
	_, _ = io.WriteString(tt.in, "\n")
	tt.exits(0)
}

// Both directions end on their own.
func TestHalfClose(t *testing.T) {
	ts := serve(t, nil)
	session := ts.session(ts.dial())
	var out bytes.Buffer
	session.Stdout = &out
	in, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start("exec 3<&0; cat <&3; echo after the end"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(in, "before\n")
	in.Close()
	if err := session.Wait(); err != nil || out.String() != "before\nafter the end\n" {
		t.Errorf("%v: %q", err, out.String())
	}
}

func TestStopHangsUpTheForegroundJob(t *testing.T) {
	ts := serve(t, nil)
	tt := ts.terminal(t, nil, `set -m; sh -c "trap 'echo hung up >&2; exit' HUP; echo ready; while :; do sleep 0.01; done" 2> $HOME/job`)
	tt.expect("ready")
	ts.stop()
	<-ts.ended
	ts.await("SIGHUP to reach the foreground job", func() bool {
		text, _ := os.ReadFile(filepath.Join(ts.home, "job"))
		return strings.Contains(string(text), "hung up\n")
	})
}

// OpenSSH's client closes the channel when both directions have ended, and then
// exits with 255 if it has not received an exit status before.
func TestExitCodeComesBeforeTheEndOfOutput(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	for kind, command := range map[string]string{"a command": "echo out; exit 3", "a command that is killed": "kill -9 $$"} {
		channel, requests, err := client.OpenChannel("session", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := channel.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{command})); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, channel); err != nil {
			t.Fatal(err)
		}
		select {
		case request := <-requests:
			if request == nil || !strings.HasPrefix(request.Type, "exit-") {
				t.Errorf("%s: got %v, want an exit status or signal", kind, request)
			}
		default:
			t.Errorf("%s: its output ended before its exit status arrived", kind)
		}
	}
}

func TestStoppingServerStartsNothing(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	holder := ts.session(client)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := holder.Start(`trap 'echo asked; read line; exit 0' TERM; echo ready; while :; do sleep 0.01; done`); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for _, want := range []string{"ready\n", "asked\n"} {
		if line, err := lines.ReadString('\n'); line != want {
			t.Fatalf("read %q, %v, want %q", line, err, want)
		}
		ts.stop()
	}
	late := ts.session(client)
	var exit *ssh.ExitError
	if text, err := late.CombinedOutput("echo late"); !errors.As(err, &exit) || !strings.Contains(string(text), "stopping") {
		t.Errorf("%v: %s", err, text)
	}
	holder.Close()
}
