package sshconfig

import (
	"context"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
)

// RefreshIfOptedIn adds a DevServer to ssh's configuration, if the user has
// agreed to that before: ~/.ssh/config includes the file of devctl ssh-config.
// Otherwise, and as long as the server has no host key, it does nothing. A
// failure is a warning, because the command that calls it has succeeded.
func RefreshIfOptedIn(ctx context.Context, to *cluster.Cluster, namespace, name string, streams genericiooptions.IOStreams) {
	if err := refresh(ctx, to, namespace, name, streams); err != nil {
		output.Printf(streams.ErrOut, "warning: %v: to try again: devctl ssh-config -n %s\n", err, namespace)
	}
}

func refresh(ctx context.Context, to *cluster.Cluster, namespace, name string, streams genericiooptions.IOStreams) error {
	p, err := findPlace()
	if err != nil || !p.included() {
		return nil //nolint:nilerr // Without a home directory, the user cannot have agreed.
	}
	ds, err := cluster.Get(ctx, to.Client, namespace, name)
	if err != nil {
		return err
	}
	if ds.Status.SSH == nil || ds.Status.SSH.HostKey == "" {
		return nil
	}
	names, err := p.add(ctx, to, ds, reach.Auto, streams)
	if err != nil {
		return err
	}
	output.Printf(streams.ErrOut, "%s has it too: ssh %s\n", p.shown(p.config()), names[len(names)-1])
	return nil
}
