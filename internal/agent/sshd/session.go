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

// session is one session channel: RFC 4254, section 6. Its requests are
// served in the order in which they come, by one goroutine, which all fields
// belong to.
type session struct {
	conn    *conn
	channel ssh.Channel
	// client is what the client asked to have in the environment.
	client environ.Vars
	// agentPath is SSH_AUTH_SOCK, if the client's agent is forwarded.
	agentPath string
	// wanted is the terminal that the client asked for.
	wanted *terminalRequest
	// started is set once the session has a command; process stays nil if
	// that could not be run.
	started bool
	process *process
	// counted is set while the session is one of those that people are told of.
	counted bool
	// output is what the command writes to, at our end.
	output *os.File
}

// sessionRequests is every request that a session may make. x11-req is not
// among them: a box has no X server to talk to.
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

// hangUp ends the terminal, which the kernel tells all that runs on it. What
// has no terminal runs on.
func (s *session) hangUp() {
	if s.process != nil && s.process.terminal != nil {
		s.process.terminal.Close()
	}
	s.channel.Close()
}

// serveStart starts what the session is for, of which there is one.
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
		s.tellActivity()
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

// subsystems are those that there are.
var subsystems = []string{"sftp", agentapi.ActivitySubsystem}

// tellActivity says how the box's work stands. It notes no work and starts no
// process: who looks whether a box is idle must not be what keeps it awake.
func (s *session) tellActivity() {
	s.uncount()
	code := 0
	if err := json.NewEncoder(s.channel).Encode(s.conn.server.cfg.Activity()); err != nil {
		code = 1
	}
	s.finish(exitStatus(code))
}

// start runs a command, shell or sftp server.
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
		// A process of its own: a fault in it ends one transfer, and its
		// memory is given back.
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

// startDir is the home. A box whose home is gone can still be looked at.
func (a *account) startDir() (dir, warning string) {
	home := a.home()
	if info, err := os.Stat(home); err != nil || !info.IsDir() {
		return "/", "The home " + home + " is not there: starting in /.\n"
	}
	err := a.as(func() error { return unix.Faccessat(unix.AT_FDCWD, home, unix.X_OK, unix.AT_EACCESS) })
	if err != nil {
		return "/", "The home " + home + " may not be entered by " + a.name + ": starting in /.\n"
	}
	return home, ""
}

// refuse tells the client why nothing runs, as a failed command would.
func (s *session) refuse(kind string, err error) {
	code := exitNotExecutable
	if refused, ok := errors.AsType[*refusal](err); ok {
		code = refused.code
	}
	s.conn.log.Info("session refused", "kind", kind, "exitCode", code)
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(err.Error()))
	s.finish(exitStatus(code))
}

// lines adapts text to a client whose terminal is raw.
func (s *session) lines(text string) string {
	if s.wanted == nil {
		return text
	}
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// finish tells the client how the command ended, and ends the channel. The
// end of the output comes last: a client whose own input has ended too closes
// the channel on it, and would never learn how the command ended. All errors
// mean that the client is gone.
func (s *session) finish(requestType string, payload []byte) {
	_, _ = s.channel.SendRequest(requestType, false, payload)
	_ = s.channel.CloseWrite()
	s.channel.Close()
}

// ended logs the end of a session, without what was run in it.
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

// stopOutput is a client that will not read what the command prints, as in
// `ssh box yes | head`: whoever goes on writing learns it by SIGPIPE, or, on a
// terminal, by a hang-up.
func (s *session) stopOutput(*ssh.Request) bool {
	if s.output == nil {
		return false
	}
	s.output.Close()
	return true
}

// environment is the box's environment with what this session adds.
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
