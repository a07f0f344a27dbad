package gateway

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// command is one that the gateway itself obeys, for people without kubectl. All
// of it stays within the right to edit Leases.
type command struct {
	name, args, short string
	run               func(t *talk, ctx context.Context, args []string) error
}

// commands has them all. It is a function because help lists them.
func commands() []command {
	return []command{
		{"list", "", "your DevServers, and how they are", (*talk).list},
		{"start", "NAME", "wake one that sleeps, and wait until one can log in", (*talk).start},
		{"keep", "NAME DURATION", "keep one awake for a while, such as 6h, whatever it does; end for DURATION ends that", (*talk).keep},
		{"why", "NAME", "why one is as it is, and what will become of it", (*talk).why},
		{"help", "", "this list", (*talk).help},
	}
}

// obey does what the person says; without a word it says who they are.
func (t *talk) obey(ctx context.Context, words []string) error {
	if len(words) == 0 {
		return t.greet()
	}
	for _, c := range commands() {
		if c.name != words[0] {
			continue
		}
		if want := len(strings.Fields(c.args)); len(words)-1 != want {
			return exit.With(exit.Usage, fmt.Errorf("it is %s", strings.TrimSpace(c.name+" "+c.args)))
		}
		return c.run(t, ctx, words[1:])
	}
	return exit.With(exit.Usage, fmt.Errorf("there is no command %.64q: help lists those that there are; for a command in a DevServer: %s COMMAND", words[0], t.line("NAME.NAMESPACE")))
}

// greet says who the person is, which boxes there are for them, and how to get
// there.
func (t *talk) greet() error {
	t.say("This is the gateway to DevServers. You are %s.\n\n", t.self())
	if err := t.list(context.Background(), nil); err != nil {
		return err
	}
	t.say("\nLog in with   %s\n%sThe gateway itself takes: ", t.line("NAME.NAMESPACE"), t.explanation())
	var all []string
	for _, c := range commands() {
		all = append(all, strings.TrimSpace(c.name+" "+c.args))
	}
	t.say("%s\n", strings.Join(all, ", "))
	return nil
}

// self is who the person is, as far as the key says.
func (t *talk) self() string {
	owners := t.server.directory.owners(t.who)
	if len(owners) == 0 {
		return "the one with the key " + string(t.who.key)
	}
	return fmt.Sprintf("%s, with the key %s", strings.Join(owners, " and "), t.who.key)
}

func (t *talk) list(context.Context, []string) error {
	boxes := t.server.directory.list(t.who)
	if len(boxes) == 0 {
		t.say("There is no DevServer that your key opens.\n")
		return nil
	}
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, b := range boxes {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", b.address(), b.phase(), b.summary())
	}
	_ = table.Flush()
	for line := range strings.Lines(text.String()) {
		t.say("%s\n", strings.TrimRight(line, " \n"))
	}
	return nil
}

// summary is the cause of the phase in few words.
func (b box) summary() string {
	c := serverstate.Ready(b.DevServer)
	switch {
	case b.isRunning() || c == nil || c.Status == metav1.ConditionTrue:
		return ""
	case serverstate.WakesOnConnect(b.DevServer):
		return "wakes when you connect"
	case serverstate.IsProgressing(c.Reason) || c.Reason == b.phase():
		return ""
	}
	return c.Reason
}

func (t *talk) start(ctx context.Context, args []string) error {
	name, err := t.find(args[0])
	if err != nil {
		return err
	}
	until, untrack := t.track(name)
	defer untrack()
	until, stop := context.WithCancelCause(until)
	defer context.AfterFunc(ctx, func() { stop(errHungUp) })()
	b, conn, err := t.await(until, name, func(state string) { t.say("%s\n", state) })
	switch {
	case ctx.Err() != nil:
		return errHungUp
	case err != nil:
		return exit.With(exit.Refused, err)
	}
	_ = conn.Close()
	t.say("DevServer %s is Running.\n%s\n", b.address(), t.line(b.address()))
	return nil
}

func (t *talk) keep(ctx context.Context, args []string) error {
	name, err := t.find(args[0])
	if err != nil {
		return err
	}
	now := time.Now()
	fields, sentence := lease.EndKeepAwake(), fmt.Sprintf("DevServer %s is not kept any more.", address(name))
	if args[1] != "end" {
		length, err := policy.ParseDuration(args[1])
		if err != nil {
			return exit.With(exit.Usage, err)
		}
		fields = lease.KeepAwake(now, length)
		sentence = fmt.Sprintf("DevServer %s counts as at work until %s, whatever it does, if its flavor allows that long.", address(name), words(now.Add(length)))
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := t.server.edit(ctx, name, fields); err != nil {
		t.log.Error("keeping failed", "box", address(name), "error", err)
		return exit.With(exit.Refused, explainLease("keeping DevServer "+address(name), err))
	}
	t.log.Info("kept", "box", address(name), "duration", args[1])
	t.say("%s\n", sentence)
	return nil
}

func (t *talk) why(_ context.Context, args []string) error {
	name, err := t.find(args[0])
	if err != nil {
		return err
	}
	b, ok := t.server.directory.find(t.who, name)
	if !ok {
		return noSuchBox(args[0])
	}
	t.say("%s\n", strings.Join(b.story(), "\n"))
	return nil
}

// story is all that the gateway knows of how the box is and what will become
// of it.
func (b box) story() []string {
	lines := []string{strings.TrimSuffix(b.state(), ".") + "."}
	at := func(format string, t *metav1.Time) {
		if t != nil {
			lines = append(lines, fmt.Sprintf(format, words(t.Time)))
		}
	}
	s := b.Status
	if s.Activity != "" {
		lines = append(lines, "Activity: "+s.Activity)
	}
	if s.Activity == "" {
		at("It will be suspended at %s if it stays without work.", s.SuspendsAt)
	}
	at("Its time to live ends at %s.", s.ExpiresAt)
	at("It will be deleted at %s.", s.DeletesAt)
	if was := s.LastDisruption; was != nil {
		at("Its last disruption, noticed at %s: "+strings.ReplaceAll(was.Message, "%", "%%"), was.Time)
	}
	if serverstate.WakesOnConnect(b.DevServer) {
		lines = append(lines, "It wakes when you connect.")
	}
	return lines
}

func (t *talk) help(context.Context, []string) error {
	var text bytes.Buffer
	table := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, c := range commands() {
		_, _ = fmt.Fprintf(table, "  %s\t%s\n", strings.TrimSpace(c.name+" "+c.args), c.short)
	}
	_ = table.Flush()
	t.say("The gateway itself takes these, behind ssh GATEWAY:\n\n%s\nNAME may leave out its namespace where that is plain. For all else:   %s\n", text.String(), t.line("NAME.NAMESPACE"))
	return nil
}

// find returns the box that the person means: NAME.NAMESPACE, or NAME where
// only one has it.
func (t *talk) find(typed string) (types.NamespacedName, error) {
	var meant []string
	var found types.NamespacedName
	for _, b := range t.server.directory.list(t.who) {
		if strings.EqualFold(typed, b.address()) {
			return b.name(), nil
		}
		if strings.EqualFold(typed, b.Name) {
			meant, found = append(meant, b.address()), b.name()
		}
	}
	switch len(meant) {
	case 0:
		return found, noSuchBox(typed)
	case 1:
		return found, nil
	}
	return found, exit.With(exit.Usage, fmt.Errorf("%.64q may be %s: say which", typed, strings.Join(meant, " or ")))
}

func noSuchBox(typed string) error {
	return exit.With(exit.NotFound, fmt.Errorf("there is no DevServer %.128q that your key opens: list shows which there are", typed))
}

// words is a time for people whose zone nobody knows here.
func words(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
