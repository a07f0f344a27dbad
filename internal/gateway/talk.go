package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/cli/exit"
)

// talk is what a person says and hears who connects to the gateway itself, with
// "ssh GATEWAY" or "ssh GATEWAY COMMAND".
type talk struct {
	*client
	channel  ssh.Channel
	terminal bool
}

// talk answers a session on the gateway itself.
func (c *client) talk(requested ssh.NewChannel) {
	channel, requests, err := requested.Accept()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	t := &talk{client: c, channel: channel}
	for request := range requests {
		words, understood := t.understand(request)
		_ = request.Reply(understood, nil)
		if words != nil {
			t.answer(words, requests)
			return
		}
	}
}

// answer obeys, and tells the client how that ended.
func (t *talk) answer(words []string, requests <-chan *ssh.Request) {
	ctx, stop := t.listen(requests)
	defer stop()
	t.end(t.obey(ctx, words))
}

// understand takes in what the client asks of the session; words are what the
// person typed, once that is there.
func (t *talk) understand(request *ssh.Request) (words []string, understood bool) {
	switch request.Type {
	case "pty-req":
		t.terminal = true
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

// listen returns a context that ends when the person hangs up or types Ctrl-C.
func (t *talk) listen(requests <-chan *ssh.Request) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ssh.DiscardRequests(requests)
		stop()
	}()
	go func() {
		typed := make([]byte, 256)
		for {
			n, err := t.channel.Read(typed)
			if t.terminal && strings.ContainsRune(string(typed[:n]), 3) {
				stop()
			}
			if err != nil {
				return // nothing more is typed, which is no reason to end
			}
		}
	}()
	return ctx, stop
}

// end tells the client how it ended.
func (t *talk) end(err error) {
	if err != nil {
		t.write(t.channel.Stderr(), "gateway: "+err.Error()+"\n")
	}
	_, _ = t.channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{uint32(exit.Code(err))}))
}

func (t *talk) say(format string, args ...any) {
	t.write(t.channel, fmt.Sprintf(format, args...))
}

// write writes text the way that the other side shows it: a terminal in raw
// mode needs a carriage return as well.
func (t *talk) write(w io.Writer, text string) {
	if t.terminal {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = io.WriteString(w, text)
}

// line is what to type to get into the box of that address.
func (t *talk) line(box string) string {
	return fmt.Sprintf("ssh -J %s dev@%s", cmp.Or(t.gateway(), unnamed), box)
}

// unnamed stands for the gateway's address where only the person knows that.
const unnamed = "GATEWAY"

// explanation says so.
func (t *talk) explanation() string {
	if t.gateway() != "" {
		return ""
	}
	return unnamed + " is what you typed after ssh just now.\n"
}

// gateway is its address as users reach it: as it was told, or else as the
// operator says in the status of the person's boxes. It may be unknown.
func (t *talk) gateway() string {
	if host, found := strings.CutSuffix(t.server.address, ":22"); found {
		return host
	}
	if t.server.address != "" {
		return t.server.address
	}
	for _, b := range t.server.directory.list(t.who) {
		ssh := b.Status.SSH
		switch {
		case ssh == nil || ssh.Gateway == nil || ssh.Gateway.Host == "":
		case ssh.Gateway.Port == 22:
			return ssh.Gateway.Host
		default:
			return net.JoinHostPort(ssh.Gateway.Host, strconv.Itoa(int(ssh.Gateway.Port)))
		}
	}
	return ""
}

var errHungUp = exit.With(exit.Interrupted, errors.New("stopped waiting; it goes on by itself"))
