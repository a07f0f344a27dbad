package sshconfig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/confirm"
	"devserver.io/devserver/internal/cli/dotfile"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// Options say which hosts to write, and what may be changed.
type Options struct {
	All, Yes, Print, Remove bool
	Via                     string
	// Short sets whether the servers of the namespace are also hosts by their
	// names alone; nil leaves that as it is.
	Short *bool
	// Terminal is set if the user can be asked.
	Terminal bool
}

// Run writes the hosts of the DevServers in the namespace, or in all namespaces.
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
		switch {
		case errors.Is(err, reach.ErrNoHostKey):
			output.Printf(streams.ErrOut, "DevServer %s is left out: it has no host key yet. Run this again after it has started.\n", list.Items[i].Name)
			continue
		case err != nil:
			output.Printf(streams.ErrOut, "DevServer %s is left out: %v\n", list.Items[i].Name, err)
			continue
		}
		now = append(now, h)
	}
	gone := func(h host) bool { return h.Context == to.Context && (o.All || h.Namespace == to.Namespace) }
	f, own, err := p.update(now, gone, o, to, streams)
	if err != nil || o.Print {
		return err
	}
	output.Printf(streams.Out, "%s has %s%s\n", p.shown(p.config()), output.Count(len(f.hosts), "host"), among(len(f.hosts), len(now), where))
	for _, h := range now {
		names := f.short.names(h, own)
		output.Printf(streams.Out, "  ssh %s\n", names[len(names)-1])
		if len(names) == 1 && f.short.contains(h) {
			output.Printf(streams.ErrOut, "ssh %s stays the host of your own configuration.\n", h.Name)
		}
	}
	included, err := p.include(ctx, o, streams)
	if err == nil && !included {
		output.Printf(streams.ErrOut, "%s does not include it yet: add this line at its top, or repeat this with --yes:\n%s\n", p.shown(p.sshConfig()), p.includeLine())
	}
	return err
}

// Ensure adds one server, leaves all others as they are, and returns the name of
// its host.
func Ensure(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, o Options, streams genericiooptions.IOStreams) (string, error) {
	p, err := findPlace()
	if err != nil {
		return "", err
	}
	names, err := p.add(ctx, to, ds, o.Via, streams)
	if err != nil {
		return "", err
	}
	included, err := p.include(ctx, o, streams)
	if err == nil && !included {
		err = exit.With(exit.Refused, fmt.Errorf("%s does not include %s, so that no editor finds %s: add the line %q at its top, or repeat this with --yes",
			p.shown(p.sshConfig()), p.shown(p.config()), names[0], p.includeLine()))
	}
	return names[0], err
}

// add adds one server, leaves all others as they are, and returns the names of its
// host.
func (p place) add(ctx context.Context, to *cluster.Cluster, ds *devserverv1.DevServer, via string, streams genericiooptions.IOStreams) ([]string, error) {
	way := ways{asked: via, knownHosts: p.written(p.knownHosts())}
	h, err := way.host(ctx, to, ds)
	if err != nil {
		return nil, err
	}
	f, own, err := p.update([]host{h}, func(host) bool { return false }, Options{}, to, streams)
	return f.short.names(h, own), err
}

// update puts hosts into our file, or prints what the file would be with o.Print.
// It returns what the file says, and the patterns of the user's own hosts.
func (p place) update(now []host, gone func(host) bool, o Options, to *cluster.Cluster, streams genericiooptions.IOStreams) (file, []string, error) {
	fail := func(err error) (file, []string, error) {
		return file{}, nil, fmt.Errorf("writing %s: %w", p.shown(p.config()), err)
	}
	text, err := dotfile.Read(p.config())
	if err != nil {
		return fail(err)
	}
	f, err := parse(text)
	if err != nil {
		return fail(err)
	}
	own, err := p.ownHosts()
	if err != nil {
		return fail(err)
	}
	hosts, taken := merge(f.hosts, now, gone)
	for _, h := range taken {
		output.Printf(streams.ErrOut, "%s was a host of the context %s, and now is one of %s.\n", h.Host, h.Context, to.Context)
	}
	f.hosts = hosts
	if here := (scope{Context: to.Context, Namespace: to.Namespace}); o.Short != nil && *o.Short {
		f.short = &here
	} else if o.Short != nil {
		f.short = nil
	}
	config := f.text(p.written(p.knownHosts()), own)
	if o.Print {
		_, err := output.Lines(streams.Out, config)
		return f, own, err
	}
	// The keys come first: without its key a host cannot be used.
	err = dotfile.Write(p.knownHosts(), knownHostsText(hosts))
	if err == nil {
		err = dotfile.Write(p.config(), config)
	}
	if err != nil {
		return fail(err)
	}
	return f, own, nil
}

// include adds the line to ~/.ssh/config, if the user agrees, and tells whether
// the file has it.
func (p place) include(ctx context.Context, o Options, streams genericiooptions.IOStreams) (bool, error) {
	doing := "editing " + p.shown(p.sshConfig())
	text, err := dotfile.Read(p.sshConfig())
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
			Title: fmt.Sprintf("Add a line at the top of %s?", p.shown(p.sshConfig())),
			Means: []string{"With it, ssh and editors find these hosts: " + p.includeLine()},
			Yes:   "Add it", Usual: true,
			Left: fmt.Sprintf("%s was not changed: for ssh and editors to find these hosts, add the line %q at its top", p.shown(p.sshConfig()), p.includeLine()),
		}, streams); err != nil {
			return false, err
		}
		if text, err = dotfile.Read(p.sshConfig()); err != nil { // It may have been edited since.
			return false, fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := dotfile.Write(p.sshConfig(), withInclude(text, p.includeLine())); err != nil {
		return false, fmt.Errorf("%s: %w: add the line %q at its top yourself", doing, err, p.includeLine())
	}
	output.Printf(streams.ErrOut, "Added to %s: %s\n", p.shown(p.sshConfig()), p.includeLine())
	return true, nil
}

// remove deletes everything that the command has written.
func remove(ctx context.Context, o Options, streams genericiooptions.IOStreams) error {
	p, err := findPlace()
	if err != nil {
		return err
	}
	doing := "editing " + p.shown(p.sshConfig())
	text, err := dotfile.Read(p.sshConfig())
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	without := withoutInclude(text, p.includeLine())
	if without != text {
		if !o.Yes && !o.Terminal {
			return exit.With(exit.Refused, fmt.Errorf("%s: there is no terminal to ask on: repeat this with --yes, or first remove the line %q yourself", doing, p.includeLine()))
		}
		if !o.Yes {
			if err := confirm.Ask(ctx, confirm.Question{
				Title: fmt.Sprintf("Remove the hosts of DevServers from %s?", p.shown(p.sshConfig())),
				Means: []string{"This line is removed: " + p.includeLine()},
				Yes:   "Remove them", Usual: true,
				Left: p.shown(p.sshConfig()) + " and the file that it includes were not changed",
			}, streams); err != nil {
				return err
			}
		}
		if err := dotfile.Write(p.sshConfig(), without); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	for _, file := range []string{p.config(), p.knownHosts()} {
		if err := os.RemoveAll(file); err != nil {
			return fmt.Errorf("removing %s: %w", p.shown(file), err)
		}
	}
	_ = os.Remove(filepath.Dir(p.config())) // It stays if it has other files.
	_, err = output.Println(streams.Out, "Removed the hosts of DevServers from ssh's configuration.")
	return err
}

// among tells how many of all hosts are listed below it.
func among(all, now int, where string) string {
	switch now {
	case 0:
		return ", none of them " + where + "."
	case all:
		return ":"
	}
	return fmt.Sprintf(", %d of them %s:", now, where)
}
