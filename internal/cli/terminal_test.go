package cli

import (
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long a program may take to draw on a very busy machine.
const patience = 2 * time.Minute

// A terminal of the scripts is tmux, which knows what a user would see: a program
// draws only the changes.

// openTerminal runs a shell command on a terminal, which then shows its exit code:
// open-terminal COMMAND
func openTerminal(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).openTerminal(ts, "120", args[0])
}

// narrowTerminal runs a shell command on a terminal of another width:
// narrow-terminal COLUMNS COMMAND
func narrowTerminal(ts *testscript.TestScript, _ bool, args []string) {
	stageOf(ts).openTerminal(ts, args[0], args[1])
}

func (s *stage) openTerminal(ts *testscript.TestScript, columns, command string) {
	s.terminals++
	socket := s.terminal(ts)
	// Not at the end of the test, when the socket no longer exists.
	ts.Defer(func() {
		_ = exec.Command("tmux", "-S", socket, "kill-server").Run() // It may have ended by itself.
	})
	ts.Check(ts.Exec("tmux", "-S", socket, "-f", "/dev/null", "new-session", "-d", "-x", columns, "-y", "40", command+"; echo code $?; cat"))
}

// terminal is the socket of the latest terminal.
func (s *stage) terminal(ts *testscript.TestScript) string {
	return ts.MkAbs("tmux" + strconv.Itoa(s.terminals))
}

// typeKeys types on the terminal, with tmux's names of keys: type KEY...
func typeKeys(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Exec("tmux", append([]string{"-S", stageOf(ts).terminal(ts), "send-keys"}, args...)...))
}

// shows waits until the terminal shows words: shows WORDS...
func shows(ts *testscript.TestScript, _ bool, args []string) {
	words := strings.Join(args, " ")
	deadline := time.Now().Add(patience)
	for {
		ts.Check(ts.Exec("tmux", "-S", stageOf(ts).terminal(ts), "capture-pane", "-p", "-J"))
		screen := ts.ReadFile("stdout")
		if strings.Contains(screen, words) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the terminal never showed %q, but %s", words, screen)
		}
	}
}
