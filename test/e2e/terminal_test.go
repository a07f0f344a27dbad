package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"

	"devserver.io/devserver/test/openssh"
)

// console is a terminal whose failures end the test.
type console struct {
	*site
	*openssh.Terminal
}

// terminal runs "ssh -t server WORDS" on a terminal.
func (b *server) terminal(words ...string) *console {
	b.Helper()
	t, err := openssh.OpenTerminal(b.client.Command(b.bounded(), []string{"-tt"}, words...))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.Close() })
	return &console{site: b.site, Terminal: t}
}

// session opens a terminal that stays open until the test ends.
func (b *server) session(words ...string) *console {
	b.Helper()
	t, err := openssh.OpenTerminal(b.client.Command(b.Context(), []string{"-tt"}, words...))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.Close() })
	return &console{site: b.site, Terminal: t}
}

// shell opens a login shell with a prompt that the test can recognize.
func (b *server) shell() *console {
	b.Helper()
	c := b.session()
	c.enter(`PS1='re''ady> '`)
	c.expect("ready> ")
	return c
}

// enter types a line.
func (c *console) enter(line string) {
	c.Helper()
	c.keys(line + "\r")
}

func (c *console) keys(keys string) {
	c.Helper()
	if err := c.Type(keys); err != nil {
		c.Fatal(err)
	}
}

func (c *console) expect(words string) {
	c.Helper()
	if err := c.Expect(c.bounded(), words); err != nil {
		c.Fatal(err)
	}
}

// ended waits until the client has ended.
func (c *console) ended(code int) {
	c.Helper()
	got, err := c.Wait()
	if err != nil {
		c.Fatal(err)
	}
	if got != code {
		c.Errorf("the client ended with %d, want %d; the terminal showed %q", got, code, c.Screen())
	}
}

// ask runs a line in the shell and returns its output.
func (c *console) ask(line string) string {
	c.Helper()
	from := len(c.Screen())
	c.enter(`echo "<be""gin>$(` + line + `)<e""nd>"`)
	c.expect("<end>")
	c.expect("ready> ")
	_, rest, _ := strings.Cut(c.Screen()[from:], "<begin>")
	answer, _, _ := strings.Cut(rest, "<end>")
	return strings.ReplaceAll(answer, "\r\n", "\n")
}

// terminalSize: the shell's terminal has the type and size of the client's, and is
// resized with it.
func terminalSize(b *server) {
	c := b.shell()
	for line, want := range map[string]string{
		"stty size":         "24 80",
		"echo $TERM":        "xterm-256color",
		"tty | cut -d/ -f3": "pts",
		"whoami":            "dev",
		"ps -o comm= -p $$": "bash",
	} {
		if got := c.ask(line); got != want {
			b.Errorf("%s in the terminal: %q, want %q", line, got, want)
		}
	}
	if c.ask("shopt login_shell") != "login_shell    \ton" {
		b.Errorf("not a login shell: %q", c.ask("shopt login_shell"))
	}
	// The client may send the resize before or after the typed line, so the shell waits
	// for it.
	c.enter(`until [ "$(stty size)" = "50 120" ]; do sleep 0.1; done; echo now "$(stty size)"`)
	if err := c.Resize(50, 120); err != nil {
		b.Fatal(err)
	}
	c.expect("now 50 120")
	c.enter("exit 7")
	c.ended(7)
}

// interrupt: Ctrl-C interrupts the foreground command, and Ctrl-D ends the shell.
func interrupt(b *server) {
	c := b.shell()
	c.enter("sleep 100000")
	// Before the command runs, Ctrl-C would interrupt the shell itself.
	b.eventually("the command runs", func() bool { return b.try("pgrep -f '^sleep 100000'").Code == 0 })
	c.keys("\x03")
	c.expect("ready> ")
	c.enter("echo co''de $?")
	c.expect("code 130") // 128 and the number of SIGINT
	c.expect("ready> ")
	c.enter("(exit 130)")
	c.expect("ready> ")
	c.keys("\x04") // the shell exits with the code of the last command
	c.ended(130)
}

// vim: an editor runs on the terminal and writes a file.
func vim(b *server) {
	c := b.terminal("vim", "-u", "NONE", "-N", "notes.txt")
	c.expect(`"notes.txt"`)
	c.keys("iwritten in vim\x1b")
	c.keys(":wq\r")
	c.ended(0)
	b.want("cat notes.txt", "written in vim")
}

// outliveConnection: if the connection is lost, processes on a terminal get SIGHUP.
// nohup, tmux and a command without a terminal keep running.
func outliveConnection(b *server) {
	c := b.shell()
	c.enter("nohup sleep 100001 >/dev/null 2>&1 &")
	c.enter("tmux new-session -d -s work 'sleep 100002'")
	c.enter("echo $$ > ~/shell.pid; sync; echo st''ored")
	c.expect("stored")
	c.enter("sleep 100003")
	shell := b.sh("cat ~/shell.pid")
	plain := b.client.Command(b.bounded(), nil, "echo started; exec sleep 100004")
	out, err := plain.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := plain.Start(); err != nil {
		b.Fatal(err)
	}
	b.line(out)
	// All must run before the connection is cut: nohup ignores SIGHUP only then.
	for _, pattern := range []string{"^sleep 100001", "^sleep 100002", "^sleep 100003", "^sleep 100004"} {
		b.eventually(pattern+" runs", func() bool { return b.try("pgrep -f '"+pattern+"'").Code == 0 })
	}
	job := b.sh("pgrep -f '^sleep 100003'")

	if err := c.Cut(); err != nil {
		b.Fatal(err)
	}
	_ = plain.Process.Kill()
	_ = plain.Wait()
	b.endOf(shell)
	b.endOf(job)
	for what, pattern := range map[string]string{
		"nohup": "^sleep 100001", "tmux": "^sleep 100002", "the command without a terminal": "^sleep 100004",
	} {
		if b.try("pgrep -f '"+pattern+"'").Code != 0 {
			b.Errorf("%s did not outlive its connection", what)
		}
	}
	again := b.terminal("tmux", "attach", "-t", "work")
	again.expect("[work]")
	// Not by typing: tmux treats keys that arrive very fast as pasted text.
	b.sh("tmux detach-client -s work")
	again.ended(0)
	// Only these: other parts of the test run sleep on the same server.
	b.sh("tmux kill-server; pkill -f '^sleep 10000[14]'")
}

// kill sends SIGTERM to a local process.
func kill(t *testing.T, pid string) {
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(n, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
}
