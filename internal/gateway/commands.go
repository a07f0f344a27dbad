package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/explain"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/serverstate"
)

// command is a command of the gateway itself, for people without kubectl. Commands
// read what the gateway has in memory, and edit Leases; they need no other rights.
type command struct {
	name, args, short string
	run               func(s *session, ctx context.Context, args []string) error
}

// commands are all commands. It is a function because help lists them.
func commands() []command {
	return []command{
		{"list", "", "list your DevServers and their state", (*session).list},
		{"start", "NAME", "wake a suspended DevServer, and wait until you can log in", (*session).start},
		{"keep", "NAME DURATION", "keep a DevServer awake for some time, such as 6h; the DURATION end ends that", (*session).keep},
		{"why", "NAME", "explain the state of a DevServer, and what happens next", (*session).why},
		{"help", "", "show this list", (*session).help},
	}
}

// usage is how a command is typed.
func (c command) usage() string { return strings.TrimSpace(c.name + " " + c.args) }

// execute runs the command that the user typed. Without one, it greets the user.
func (s *session) execute(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return s.greet(ctx)
	}
	for _, c := range commands() {
		if c.name != words[0] {
			continue
		}
		if want := len(strings.Fields(c.args)); len(words)-1 != want {
			return exit.With(exit.Usage, fmt.Errorf("usage: %s", c.usage()))
		}
		return c.run(s, ctx, words[1:])
	}
	return exit.With(exit.Usage, fmt.Errorf("unknown command %.64q; to list the commands, use help; to run a command in a DevServer: %s COMMAND", words[0], s.loginLine("NAME.NAMESPACE")))
}

// greet shows who the user is, their DevServers, and how to log in.
func (s *session) greet(ctx context.Context) error {
	s.say("This is the gateway to your DevServers. You are %s.\n\n", s.self())
	if err := s.list(ctx, nil); err != nil {
		return err
	}
	s.say("\nLog in:    %s\n", s.loginLine("NAME.NAMESPACE"))
	s.write(s.channel, s.addressHint()+"Commands:  ")
	var all []string
	for _, c := range commands() {
		all = append(all, c.usage())
	}
	s.say("%s\n", strings.Join(all, ", "))
	return nil
}

// self is who the user is, as far as the key shows.
func (s *session) self() string {
	owners := s.server.directory.owners(s.who)
	if len(owners) == 0 {
		return "known by the key " + string(s.who.key)
	}
	return fmt.Sprintf("%s, with the key %s", strings.Join(owners, " and "), s.who.key)
}

func (s *session) list(context.Context, []string) error {
	all := s.server.directory.list(s.who)
	if len(all) == 0 {
		s.say("Your key opens no DevServer.\n")
		return nil
	}
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, d := range all {
		_, _ = io.WriteString(table, printable.Sprintf("  %s\t%s\t%s\n", d.address(), d.phase(), d.summary()))
	}
	_ = table.Flush()
	for line := range strings.Lines(text.String()) {
		s.say("%s\n", strings.TrimRight(line, " \n"))
	}
	return nil
}

// summary is why the server is in its phase, in a few words.
func (d devServer) summary() string {
	c := serverstate.Ready(d.DevServer)
	switch {
	case d.isRunning() || c == nil || c.Status == metav1.ConditionTrue:
		return ""
	case serverstate.WakesOnConnect(d.DevServer):
		return "wakes when you connect"
	case serverstate.IsProgressing(c.Reason) || c.Reason == d.phase():
		return ""
	}
	return c.Reason
}

func (s *session) start(ctx context.Context, args []string) error {
	name, err := s.find(args[0])
	if err != nil {
		return err
	}
	allowed, untrack := s.track(name)
	defer untrack()
	allowed, stop := context.WithCancelCause(allowed)
	defer context.AfterFunc(ctx, func() { stop(errHungUp) })()
	d, conn, err := s.await(allowed, name, func(state string) { s.say("%s\n", state) })
	switch {
	case ctx.Err() != nil:
		return errHungUp
	case err != nil:
		return exit.With(exit.Refused, err)
	}
	_ = conn.Close()
	s.say("DevServer %s is Running.\n%s\n", d.address(), s.loginLine(d.address()))
	return nil
}

func (s *session) keep(ctx context.Context, args []string) error {
	name, err := s.find(args[0])
	if err != nil {
		return err
	}
	now := time.Now()
	fields, sentence := lease.EndKeepAwake(), fmt.Sprintf("DevServer %s is no longer kept awake.", address(name))
	if args[1] != "end" {
		length, err := policy.ParseDuration(args[1])
		if err != nil {
			return exit.With(exit.Usage, err)
		}
		fields = lease.KeepAwake(now, length)
		sentence = fmt.Sprintf("DevServer %s is kept awake until %s, or for as long as its flavor allows.", address(name), policy.Clock(now.Add(length)))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := s.server.edit(ctx, name, fields); err != nil {
		if d, ok := s.server.directory.find(s.who, name); ok && apierrors.IsNotFound(err) {
			return exit.With(exit.Refused, fmt.Errorf("DevServer %s cannot be kept awake: %s", address(name), explain.NoLease(d.DevServer)))
		}
		s.log.Error("keeping awake failed", "server", address(name), "error", err)
		return exit.With(exit.Refused, explainLease("keeping DevServer "+address(name)+" awake", err))
	}
	s.log.Info("kept awake", "server", address(name), "duration", args[1])
	s.say("%s\n", sentence)
	return nil
}

// whyWidth is the longest line of why. The width of the user's terminal is unknown
// if they have none.
const whyWidth = 80

func (s *session) why(_ context.Context, args []string) error {
	name, err := s.find(args[0])
	if err != nil {
		return err
	}
	d, ok := s.server.directory.find(s.who, name)
	if !ok {
		return notFound(args[0])
	}
	sections := explain.Explain(explain.Facts{
		DevServer: d.DevServer, Name: d.address(), Commands: s.commandsFor(d), Now: time.Now(), Zone: time.UTC,
	})
	s.write(s.channel, explain.Text(sections, whyWidth, func(title string) string { return title }))
	return nil
}

// commandsFor are what the user can type about a server. A server that its owner
// stopped, or that expired, starts by an edit of the DevServer, for which the
// gateway has no rights.
func (s *session) commandsFor(d devServer) explain.Commands {
	return explain.Commands{
		explain.LogIn:       s.loginLine(d.address()),
		explain.Wake:        s.commandLine("start " + d.address()),
		explain.Wait:        s.commandLine("start " + d.address()),
		explain.KeepAwake:   s.commandLine("keep " + d.address() + " 6h"),
		explain.ListServers: s.commandLine("list"),
		explain.Elsewhere:   fmt.Sprintf("devctl why %s -n %s", d.Name, d.Namespace),
	}
}

func (s *session) help(context.Context, []string) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		_, _ = io.WriteString(table, "  "+c.usage()+"\t"+c.short+"\n")
	}
	_ = table.Flush()
	s.say("Commands of the gateway, after %s:\n\n", strings.TrimSpace(s.commandLine("")))
	s.write(s.channel, text.String())
	s.say("\nNAME is NAME.NAMESPACE. You can leave out the namespace if only one of your\nDevServers has the name. To log in to a DevServer: %s\n", s.loginLine("NAME.NAMESPACE"))
	return nil
}

// find returns the DevServer with the name that the user typed: NAME.NAMESPACE, or
// NAME if only one of theirs has it.
func (s *session) find(typed string) (types.NamespacedName, error) {
	var matches []string
	var found types.NamespacedName
	for _, d := range s.server.directory.list(s.who) {
		if strings.EqualFold(typed, d.address()) {
			return d.name(), nil
		}
		if strings.EqualFold(typed, d.Name) {
			matches, found = append(matches, d.address()), d.name()
		}
	}
	switch len(matches) {
	case 0:
		return found, notFound(typed)
	case 1:
		return found, nil
	}
	return found, exit.With(exit.Usage, fmt.Errorf("%.64q is ambiguous: use %s", typed, strings.Join(matches, " or ")))
}

func notFound(typed string) error {
	return exit.With(exit.NotFound, fmt.Errorf("DevServer %.128q does not exist, or your key is not allowed to log in to it; to list your DevServers, use list", typed))
}
