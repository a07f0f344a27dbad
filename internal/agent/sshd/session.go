package sshd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/spawnapi"
	"devserver.io/devserver/internal/agentapi"
)

// session is one session channel: RFC 4254, section 6. One goroutine serves its
// requests in order, and only that goroutine uses the fields.
type session struct {
	conn    *conn
	channel ssh.Channel
	// ctx ends with the channel.
	ctx context.Context
	// later delivers what to do once a process that could not start at once has started
	// or failed.
	later chan func()
	// client has the environment variables that the client has set. Their total size is
	// clientBytes.
	client      environ.Vars
	clientBytes int
	// agent is set if the client's agent is forwarded.
	agent bool
	// wanted is the terminal that the client requested, or nil.
	wanted *terminalRequest
	// requested is set once the client has requested a command, shell or subsystem.
	// process is nil until it runs.
	requested bool
	process   *spawnapi.Process
	// counted is set while the session counts as open in Config.Traffic.
	counted bool
	// stop stops the command's output. It is nil until the command runs.
	stop func()
}

// maxClientBytes bounds the total size of the variables that a client sets.
const maxClientBytes = 64 << 10

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
	stream, err := c.intake.Accept(channel)
	if err != nil {
		return
	}
	requests := make(chan *ssh.Request)
	go func() {
		defer close(requests)
		stream.Serve(func(request *ssh.Request) { requests <- request })
	}()
	c.sessionOpened()
	defer c.sessionClosed()
	c.server.cfg.Traffic.Opened()
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	s := &session{conn: c, channel: stream, ctx: ctx, later: make(chan func()), client: environ.Vars{}, counted: true}
	defer s.uncount()
	for requests != nil {
		select {
		case request, open := <-requests:
			if !open {
				requests = nil
				continue
			}
			s.serve(request)
		case then := <-s.later:
			then()
		}
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
	if s.process != nil {
		s.process.HangUp()
	}
	s.channel.Close()
}

// serveStart starts the session's command, shell or subsystem. A session can
// have only one.
func (s *session) serveStart(request *ssh.Request) {
	var argument struct{ Text string }
	if request.Type != "shell" && (ssh.Unmarshal(request.Payload, &argument) != nil || len(argument.Text) > maxCommand) {
		s.reply(request, false)
		return
	}
	if s.requested || (request.Type == "subsystem" && !slices.Contains(subsystems, argument.Text)) {
		s.reply(request, false)
		return
	}
	s.requested = true
	s.reply(request, true)
	if argument.Text == agentapi.ActivitySubsystem && request.Type == "subsystem" {
		s.sendActivity()
		return
	}
	kind := request.Type
	if kind == "subsystem" {
		kind = argument.Text
	}
	if err := s.run(kind, argument.Text); err != nil {
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

// run runs a command, a shell or the SFTP server.
func (s *session) run(kind, argument string) error {
	request := spawnapi.Start{Account: s.conn.account, Kind: kind, Env: s.environment(), AgentSocket: s.agent}
	if kind == spawnapi.KindExec {
		request.Command = []byte(argument)
	}
	if s.wanted != nil && kind != spawnapi.KindSFTP {
		return s.runOnTerminal(request)
	}
	return s.runWithPipes(request)
}

// refuse sends the client the reason why the session cannot start on standard
// error, and an exit code, as a failed command would.
func (s *session) refuse(kind string, err error) {
	code := spawnapi.ExitNotExecutable
	if refused, ok := errors.AsType[*spawnapi.Refusal](err); ok {
		code = refused.Code
	}
	s.conn.log.Info("session refused", "kind", kind, "exitCode", code)
	_, _ = io.WriteString(s.channel.Stderr(), s.lines(strings.TrimSuffix(err.Error(), "\n")+"\n"))
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
func (s *session) ended(request spawnapi.Start, exit spawnapi.Exit, start time.Time) {
	s.conn.log.Info("session ended", "kind", request.Kind, "terminal", request.Terminal != nil, "exit", exit.String(), "after", since(start))
}

func (s *session) setEnv(request *ssh.Request) bool {
	var variable struct{ Name, Value string }
	if ssh.Unmarshal(request.Payload, &variable) != nil || !environ.ClientMaySet(variable.Name, variable.Value) {
		return false
	}
	if s.clientBytes += len(variable.Name) + len(variable.Value); s.clientBytes > maxClientBytes {
		return false
	}
	s.client[variable.Name] = variable.Value
	return true
}

func (s *session) requestAgent(*ssh.Request) bool {
	if err := s.conn.forwardAgent(); err != nil {
		s.conn.log.Warn("agent forwarding refused", "reason", err.Error())
		return false
	}
	s.agent = true
	return true
}

func (s *session) deliverSignal(request *ssh.Request) bool {
	var wanted struct{ Name string }
	if s.process == nil || ssh.Unmarshal(request.Payload, &wanted) != nil {
		return false
	}
	number, known := signalNumbers[ssh.Signal(wanted.Name)]
	return known && s.process.Control(spawnapi.Control{Signal: int(number)}) == nil
}

// stopOutput closes the command's output because the client does not read any
// more of it, as in `ssh HOST yes | head`. A command that keeps writing gets
// SIGPIPE or, on a terminal, SIGHUP.
func (s *session) stopOutput(*ssh.Request) bool {
	if s.stop == nil {
		return false
	}
	s.stop()
	return true
}

// environment returns the variables that this session adds to the account's.
func (s *session) environment() [][]byte {
	vars := maps.Clone(s.client)
	client, clientPort := hostPort(s.conn.ssh.RemoteAddr())
	host, port := hostPort(s.conn.ssh.LocalAddr())
	vars["SSH_CLIENT"] = strings.Join([]string{client, clientPort, port}, " ")
	vars["SSH_CONNECTION"] = strings.Join([]string{client, clientPort, host, port}, " ")
	if s.wanted != nil && s.wanted.Term != "" {
		vars["TERM"] = s.wanted.Term
	}
	var list [][]byte
	for _, variable := range vars.List() {
		list = append(list, []byte(variable))
	}
	return list
}

func hostPort(address net.Addr) (host, port string) {
	host, port, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String(), "0"
	}
	return host, port
}
