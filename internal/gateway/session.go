package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/sshpolicy"
)

// firstCommandTime is how long a client may take to send its command, or to request a
// shell, after it has opened a session. Clients send both at once.
const firstCommandTime = 10 * time.Second

// session is an SSH session on the gateway itself: ssh GATEWAY, or ssh GATEWAY
// COMMAND.
type session struct {
	*client
	channel  *sshpolicy.Channel
	terminal atomic.Bool
	// hangUp ends the command.
	hangUp context.CancelFunc
}

// serveSession serves a session on the gateway itself until the client has closed it.
func (c *client) serveSession(requested ssh.NewChannel) {
	channel, err := c.intake.Accept(requested)
	if err != nil {
		return
	}
	ctx, hangUp := context.WithCancel(context.Background())
	s := &session{client: c, channel: channel, hangUp: hangUp}
	defer func() { _ = channel.Close() }()
	go s.readInput()
	late := time.AfterFunc(firstCommandTime, func() { _ = channel.Close() })
	defer late.Stop()
	var running sync.WaitGroup
	started := false
	channel.Serve(func(request *ssh.Request) {
		words, ok := s.parse(request)
		_ = request.Reply(ok && !started, nil)
		if words == nil || started {
			return
		}
		started = true
		late.Stop()
		running.Go(func() {
			defer c.recoverFrom("executing a command")
			s.exit(s.execute(ctx, words))
			_ = channel.Close()
		})
	})
	hangUp()
	running.Wait()
}

// parse handles a request of the session. words are the command that the user
// typed; they are not nil once the client has sent one, or has asked for a shell.
func (s *session) parse(request *ssh.Request) (words []string, ok bool) {
	switch request.Type {
	case "pty-req":
		s.terminal.Store(true)
		return nil, true
	case "shell":
		return []string{}, true
	case "exec":
		var typed struct{ Command string }
		if ssh.Unmarshal(request.Payload, &typed) != nil {
			return nil, false
		}
		return append([]string{}, strings.Fields(typed.Command)...), true
	}
	return nil, false
}

// readInput reads what the user types, and ends the command at Ctrl-C. No command reads
// input.
func (s *session) readInput() {
	typed := make([]byte, 4<<10)
	for {
		n, err := s.channel.Read(typed)
		if s.terminal.Load() && bytes.IndexByte(typed[:n], 3) >= 0 {
			s.hangUp()
		}
		if err != nil {
			return // The end of the input does not end the command.
		}
	}
}

// exit sends the exit status that belongs to err.
func (s *session) exit(err error) {
	if err != nil {
		s.write(s.channel.Stderr(), "gateway: "+printable.Prose(err.Error(), 0)+"\n")
	}
	_, _ = s.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit.Code(err))}))
}

// say writes text. Each argument is one line, whatever it is: what users see of other
// users' servers must not act on their terminals.
func (s *session) say(format string, args ...any) {
	s.write(s.channel, printable.Sprintf(format, args...))
}

// write writes lines. All text for users passes it. A terminal in raw mode needs a
// carriage return at the end of each line.
func (s *session) write(w io.Writer, text string) {
	text = printable.Text(text)
	if s.terminal.Load() {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = io.WriteString(w, text)
}

// unknownHost stands for the gateway's address while the gateway does not know it.
const unknownHost = "GATEWAY"

// loginLine is the command to log in to the DevServer with that address.
func (s *session) loginLine(address string) string {
	host, port := s.gateway()
	if port != "" {
		host = net.JoinHostPort(host, port)
	}
	return fmt.Sprintf("ssh -J %s dev@%s", host, address)
}

// commandLine is the line to type for a command of the gateway.
func (s *session) commandLine(command string) string {
	host, port := s.gateway()
	if port != "" {
		host = "-p " + port + " " + host
	}
	return fmt.Sprintf("ssh %s %s", host, command)
}

// addressHint explains the placeholder for the gateway's address, if it is shown.
func (s *session) addressHint() string {
	if host, _ := s.gateway(); host != unknownHost {
		return ""
	}
	return "           " + unknownHost + " is the address that you connected to.\n"
}

// gateway is the gateway's address as users reach it: the configured one, or else
// the one in the status of the user's servers. port is empty for the default, 22.
func (s *session) gateway() (host, port string) {
	if host, port, err := net.SplitHostPort(s.server.address); err == nil {
		return host, notDefault(port)
	}
	if s.server.address != "" {
		return s.server.address, ""
	}
	for _, d := range s.server.directory.list(s.who) {
		if ssh := d.Status.SSH; ssh != nil && ssh.Gateway != nil && ssh.Gateway.Host != "" {
			return ssh.Gateway.Host, notDefault(strconv.Itoa(int(ssh.Gateway.Port)))
		}
	}
	return unknownHost, ""
}

func notDefault(port string) string {
	if port == "22" {
		return ""
	}
	return port
}

var errHungUp = exit.With(exit.Interrupted, errors.New("stopped waiting; the server continues to start"))
