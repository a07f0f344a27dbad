package sshconfig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/exit"
)

// Options say which hosts to write, and what may be changed.
type Options struct {
	All, Yes, Print, Remove bool
	Via                     string
	// Terminal is set where a person can be asked.
	Terminal bool
}

// Run writes the hosts of the namespace's DevServers, or of all.
func Run(ctx context.Context, to *cluster.Cluster, o Options, streams genericiooptions.IOStreams) error {
	var list devserverv1.DevServerList
	where, scope := "in namespace "+to.Namespace, []client.ListOption{client.InNamespace(to.Namespace)}
	if o.All {
		where, scope = "in the cluster", nil
	}
	if err := to.Client.List(ctx, &list, scope...); err != nil {
		return cluster.Explain(err, "listing DevServers "+where)
	}
	p, err := findPlace()
	if err != nil {
		return err
	}
	way := ways{asked: o.Via, knownHosts: p.written(p.knownHosts())}
	var now []host
	for i := range list.Items {
		h, err := way.host(ctx, to, &list.Items[i])
		if exit.Code(err) == exit.Refused {
			return err
		}
		if err != nil {
			fmt.Fprintf(streams.ErrOut, "DevServer %s is left out: it has no host key yet. Run this again once it has started.\n", list.Items[i].Name)
			continue
		}
		now = append(now, h)
	}
	gone := func(h host) bool { return h.Context == to.Context && (o.All || h.Namespace == to.Namespace) }
	hosts, err := p.update(now, gone, o.Print, streams)
	if err != nil || o.Print {
		return err
	}
	fmt.Fprintf(streams.Out, "%s has %s%s\n", p.said(p.config()), count(len(hosts), "host"), among(len(hosts), len(now), where))
	for _, h := range now {
		fmt.Fprintf(streams.Out, "  ssh %s\n", h.Host)
	}
	included, err := p.include(ctx, o, streams)
	if err == nil && !included {
		fmt.Fprintf(streams.ErrOut, "%s does not include it yet: add this line at its top, or repeat this with --yes:\n%s\n", p.said(p.sshConfig()), p.includeLine())
	}
	return err
}

// Ensure makes one box known, leaves all others as they are, and returns the
// name that it has.
func Ensure(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, o Options, streams genericiooptions.IOStreams) (string, error) {
	p, err := findPlace()
	if err != nil {
		return "", err
	}
	way := ways{asked: o.Via, knownHosts: p.written(p.knownHosts())}
	h, err := way.host(ctx, to, ds)
	if err != nil {
		return "", err
	}
	if _, err := p.update([]host{h}, func(host) bool { return false }, false, streams); err != nil {
		return "", err
	}
	included, err := p.include(ctx, o, streams)
	if err == nil && !included {
		err = exit.With(exit.Refused, fmt.Errorf("%s does not include %s, so that no editor finds %s: add the line %q at its top, or repeat this with --yes",
			p.said(p.sshConfig()), p.said(p.config()), h.Host, p.includeLine()))
	}
	return h.Host, err
}

// update puts hosts into the file of ours, or only prints what it would be.
func (p place) update(now []host, gone func(host) bool, onlyPrint bool, streams genericiooptions.IOStreams) ([]host, error) {
	doing := "writing " + p.said(p.config())
	text, err := read(p.config())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	before, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	hosts, taken := merge(before, now, gone)
	for _, h := range taken {
		fmt.Fprintf(streams.ErrOut, "%s was one of the context %s, and is now that of another.\n", h.Host, h.Context)
	}
	config := configText(hosts, p.written(p.knownHosts()))
	if onlyPrint {
		_, err := io.WriteString(streams.Out, config)
		return hosts, err
	}
	// The keys first: without its key a host cannot be used.
	err = write(p.knownHosts(), knownHostsText(hosts))
	if err == nil {
		err = write(p.config(), config)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return hosts, nil
}

// include adds the line to ~/.ssh/config, if the person agrees, and tells
// whether it is there.
func (p place) include(ctx context.Context, o Options, streams genericiooptions.IOStreams) (bool, error) {
	doing := "editing " + p.said(p.sshConfig())
	text, err := read(p.sshConfig())
	if err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	if includes(text, p.config(), p.home) {
		return true, nil
	}
	if !o.Yes {
		if !o.Terminal {
			return false, nil
		}
		if err := confirm.Ask(ctx, confirm.Question{
			Title: fmt.Sprintf("Add a line at the top of %s?", p.said(p.sshConfig())),
			Means: "It makes these hosts known to ssh and editors: " + p.includeLine(),
			Yes:   "Add it", Usual: true,
			Left: fmt.Sprintf("%s was not changed: for ssh and editors to find these hosts, add the line %q at its top", p.said(p.sshConfig()), p.includeLine()),
		}, streams); err != nil {
			return false, err
		}
		if text, err = read(p.sshConfig()); err != nil { // It may have been edited meanwhile.
			return false, fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := write(p.sshConfig(), withInclude(text, p.includeLine())); err != nil {
		return false, fmt.Errorf("%s: %w: add the line %q at its top yourself", doing, err, p.includeLine())
	}
	fmt.Fprintf(streams.ErrOut, "Added to %s: %s\n", p.said(p.sshConfig()), p.includeLine())
	return true, nil
}

// remove undoes all that the command has written.
func remove(ctx context.Context, o Options, streams genericiooptions.IOStreams) error {
	p, err := findPlace()
	if err != nil {
		return err
	}
	doing := "editing " + p.said(p.sshConfig())
	text, err := read(p.sshConfig())
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	without := withoutInclude(text, p.includeLine())
	if without != text {
		if !o.Yes && !o.Terminal {
			return exit.With(exit.Refused, fmt.Errorf("%s: nobody can be asked: repeat this with --yes, or remove the line %q yourself first", doing, p.includeLine()))
		}
		if !o.Yes {
			if err := confirm.Ask(ctx, confirm.Question{
				Title: fmt.Sprintf("Remove the hosts of DevServers from %s?", p.said(p.sshConfig())),
				Means: "The line that goes: " + p.includeLine(),
				Yes:   "Remove them", Usual: true,
				Left: p.said(p.sshConfig()) + " is left as it is, and what it includes too",
			}, streams); err != nil {
				return err
			}
		}
		if err := write(p.sshConfig(), without); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	for _, file := range []string{p.config(), p.knownHosts()} {
		if err := os.RemoveAll(file); err != nil {
			return fmt.Errorf("removing %s: %w", p.said(file), err)
		}
	}
	_ = os.Remove(filepath.Dir(p.config())) // unless there is more in it
	_, err = fmt.Fprintln(streams.Out, "Removed the hosts of DevServers from ssh's configuration.")
	return err
}

// among says how many of all hosts are those that are listed below it.
func among(all, now int, where string) string {
	switch now {
	case 0:
		return ", none of them " + where + "."
	case all:
		return ":"
	}
	return fmt.Sprintf(", %d of them %s:", now, where)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
