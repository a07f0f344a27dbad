package sshd

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agentapi"
)

// session is one session channel: RFC 4254, section 6. One goroutine serves its
// requests in order, and only that goroutine uses the fields.
type session struct {
	conn    *conn
	channel ssh.Channel
	// client has the environment variables that the client has set.
	client environ.Vars
	// agentPath is SSH_AUTH_SOCK, if the client's agent is forwarded.
	agentPath string
	// wanted is the terminal that the client requested, or nil.
	wanted *terminalRequest
	// started is set once the client has requested a command, shell or subsystem.
	// process stays nil if that could not be run.
	started bool
	process *process
	// counted is set while the session counts as open in Config.Traffic.
	counted bool
	// output is the agent's end of the command's standard output.
	output *os.File
}

// sessionRequests has every request that a client may make in a session, except
// those that start a command. x11-req is left out: X11 forwarding is not
// supported.
var sessionRequests = map[string]func(*session, *ssh.Request) bool{
	"pty-req":                    (*session).requestTerminal,
	"window-change":              (*session).changeWindow,
	"env":                        (*session).setEnv,
	"auth-agent-req@openssh.com": (*session).requestAgent,
	"signal":                     (*session).deliverSignal,
	"break":                      (*session).sendBreak,
	"eow@openssh.com":            (*session).stopOutput,
}

func (c *conn) openSession(channel ssh.NewChannel) {
	stream, requests, err := channel.Accept()
	if err != nil {
		return
	}
	c.sessionOpened()
	defer c.sessionClosed()
	c.server.cfg.Traffic.Opened()
	s := &session{conn: c, channel: stream, client: environ.Vars{}, counted: true}
	defer s.uncount()
	for request := range requests {
		s.serve(request)
	}
	s.hangUp()
}

func (s *session) uncount() {
	if s.counted {
		s.counted = false
		s.conn.server.cfg.Traffic.Closed()
	}
}

func (s *session) serve(request *ssh.Request) {
	switch request.Type {
	case "shell", "exec", "subsystem":
		s.serveStart(request)
		return
	}
	handle, known := sessionRequests[request.Type]
	s.reply(request, known && handle(s, request))
}

func (s *session) reply(request *ssh.Request, ok bool) {
	if request.WantReply {
		_ = request.Reply(ok, nil) // fails only with the connection
	}
}

// hangUp closes the session's terminal, and the kernel sends SIGHUP to the
// processes on it. A command without a terminal keeps running.
func (s *session) hangUp() {
	if s.process != nil && s.process.terminal != nil {
		s.process.terminal.Close()
	}
	s.channel.Close()
}

// serveStart starts the session's command, shell or subsystem. A session can
// have only one.
func (s *session) serveStart(request *ssh.Request) {
	var argument struct{ Text string }
	if request.Type != "shell" && ssh.Unmarshal(request.Payload, &argument) != nil {
		s.reply(request, false)
		return
	}
	if s.started || (request.Type == "subsystem" && !slices.Contains(subsystems, argument.Text)) {
		s.reply(request, false)
		return
	}
	s.started = true
	s.reply(request, true)
	if argument.Text == agentapi.ActivitySubsystem && request.Type == "subsystem" {
		s.sendActivity()
		return
	}
	kind := request.Type
	if kind == "subsystem" {
		kind = argument.Text
	}
	if err := s.start(kind, argument.Text); err != nil {
		s.refuse(kind, err)
	}
}

// subsystems has the names of all supported subsystems.
var subsystems = []string{"sftp", agentapi.ActivitySubsystem}

// sendActivity sends the server's activity report to the client. The session
// does not count as activity, so that asking whether a server is idle does not
// keep it awake.
func (s *session) sendActivity() {
	s.uncount()
	code := 0
	if err := json.NewEncoder(s.channel).Encode(s.conn.server.cfg.Activity()); err != nil {
		code = 1
	}
	s.finish(exitStatus(code))
}

// start starts a command, a shell or the SFTP server.
func (s *session) start(kind, argument string) error {
	vars := s.environment()
	var cmd *exec.Cmd
	var err error
	switch kind {
	case "shell":
		cmd, err = s.conn.account.loginShell()
	case "exec":
		cmd, err = s.conn.account.shellCommand(argument, vars["PATH"])
	default:
		// In a separate process, so that a crash ends only one transfer, and its
		// memory is freed when the transfer ends.
		cmd = &exec.Cmd{Path: s.conn.server.cfg.Binary, Args: []string{"devserver-agent", "sftp-server"}}
	}
	if err != nil {
		return err
	}
	dir, warning := s.conn.account.startDir()
	cmd.Dir = dir
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(warning))
	if s.wanted != nil && kind != "sftp" {
		return s.runOnTerminal(cmd, vars, kind)
	}
	return s.runWithPipes(cmd, vars, kind)
}

// startDir returns the directory in which sessions start: the home directory or,
// with a warning, / if the home does not exist or cannot be entered. The user can
// then still log in to find out why.
func (a *account) startDir() (dir, warning string) {
	home := a.home()
	if info, err := os.Stat(home); err != nil || !info.IsDir() {
		return "/", "The home directory " + home + " does not exist: starting in /.\n"
	}
	err := a.as(func() error { return unix.Faccessat(unix.AT_FDCWD, home, unix.X_OK, unix.AT_EACCESS) })
	if err != nil {
		return "/", "The home directory " + home + " is not accessible to " + a.name + ": starting in /.\n"
	}
	return home, ""
}

// refuse sends the client the reason why the session cannot start on standard
// error, and an exit code, as a failed command would.
func (s *session) refuse(kind string, err error) {
	code := exitNotExecutable
	if refused, ok := errors.AsType[*refusal](err); ok {
		code = refused.code
	}
	s.conn.log.Info("session refused", "kind", kind, "exitCode", code)
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(err.Error()))
	s.finish(exitStatus(code))
}

// lines replaces line feeds with CR LF if the client requested a terminal,
// because its own terminal is then in raw mode.
func (s *session) lines(text string) string {
	if s.wanted == nil {
		return text
	}
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// finish sends the client the command's exit status and closes the channel. The
// exit status must come before the end of the output: a client whose own input
// has ended closes the channel at the end of the output, and would miss an exit
// status that comes later. All errors mean that the client has disconnected.
func (s *session) finish(requestType string, payload []byte) {
	_, _ = s.channel.SendRequest(requestType, false, payload)
	_ = s.channel.CloseWrite()
	s.channel.Close()
}

// ended logs the end of a session, but not its command, which may be private.
func (s *session) ended(kind string, terminal bool, state *os.ProcessState, start time.Time) {
	s.conn.log.Info("session ended", "kind", kind, "terminal", terminal, "exit", state.String(), "after", since(start))
}

func (s *session) setEnv(request *ssh.Request) bool {
	var variable struct{ Name, Value string }
	if ssh.Unmarshal(request.Payload, &variable) != nil || !environ.ClientMaySet(variable.Name, variable.Value) {
		return false
	}
	s.client[variable.Name] = variable.Value
	return true
}

func (s *session) requestAgent(*ssh.Request) bool {
	path, err := s.conn.forwardAgent()
	if err != nil {
		s.conn.log.Warn("agent forwarding refused", "reason", err.Error())
		return false
	}
	s.agentPath = path
	return true
}

func (s *session) deliverSignal(request *ssh.Request) bool {
	var wanted struct{ Name string }
	if s.process == nil || ssh.Unmarshal(request.Payload, &wanted) != nil {
		return false
	}
	number, known := signalNumbers[ssh.Signal(wanted.Name)]
	return known && s.conn.server.processes.signal(s.process, number) == nil
}

// stopOutput closes the command's output because the client does not read any
// more of it, as in `ssh HOST yes | head`. A command that keeps writing gets
// SIGPIPE or, on a terminal, SIGHUP.
func (s *session) stopOutput(*ssh.Request) bool {
	if s.output == nil {
		return false
	}
	s.output.Close()
	return true
}

// environment returns the account's environment with this session's additions.
func (s *session) environment() environ.Vars {
	vars := s.conn.account.environment()
	maps.Copy(vars, s.client)
	client, clientPort := hostPort(s.conn.ssh.RemoteAddr())
	host, port := hostPort(s.conn.ssh.LocalAddr())
	vars["SSH_CLIENT"] = strings.Join([]string{client, clientPort, port}, " ")
	vars["SSH_CONNECTION"] = strings.Join([]string{client, clientPort, host, port}, " ")
	if s.agentPath != "" {
		vars["SSH_AUTH_SOCK"] = s.agentPath
	}
	if s.wanted != nil && s.wanted.Term != "" {
		vars["TERM"] = s.wanted.Term
	}
	return vars
}

func hostPort(address net.Addr) (host, port string) {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String(), "0"
	}
	return host, port
}
