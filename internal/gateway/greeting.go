package gateway

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"golang.org/x/crypto/ssh"
)

// greet answers "ssh GATEWAY", without a jump: which boxes the key opens and
// how to get there.
func (c *client) greet(requested ssh.NewChannel) {
	channel, requests, err := requested.Accept()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	terminal := false
	for request := range requests {
		switch request.Type {
		case "pty-req":
			terminal = true
			_ = request.Reply(true, nil)
		case "shell":
			_ = request.Reply(true, nil)
			say(channel, terminal, greeting(c.key, c.server.directory.list(c.key)))
			exit(channel, 0)
			return
		case "exec":
			_ = request.Reply(true, nil)
			say(channel.Stderr(), terminal, "The gateway runs no commands: "+leadsTo+" COMMAND\n")
			exit(channel, 1)
			return
		default:
			_ = request.Reply(false, nil)
		}
	}
}

// greeting is what a person reads who connects to the gateway itself.
func greeting(key fingerprint, boxes []box) string {
	var text bytes.Buffer
	fmt.Fprintf(&text, "This is the gateway to DevServers. You are %s, and your key opens:\n\n", key)
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, b := range boxes {
		phase := b.phase
		if phase == "" {
			phase = "New"
		}
		fmt.Fprintf(table, "  %s\t%s\n", b.address(), phase)
	}
	_ = table.Flush()
	text.WriteString("\nLog in with ssh -J GATEWAY dev@NAME.NAMESPACE, where GATEWAY is what you typed after ssh just now.\n")
	return text.String()
}

// say writes text the way that the other side shows it: a terminal in raw mode
// needs a carriage return as well.
func say(w io.Writer, terminal bool, text string) {
	if terminal {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	_, _ = io.WriteString(w, text)
}

func exit(channel ssh.Channel, status uint32) {
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
}
