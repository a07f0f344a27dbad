// Package sshproxy is the command devctl ssh-proxy, a ProxyCommand of OpenSSH that
// connects to a server.
package sshproxy

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options reach.Options
	cmd := &cobra.Command{
		Use:   "ssh-proxy NAME",
		Short: "Connect ssh to a DevServer, as a ProxyCommand",
		Long: `Connect standard input and output to a DevServer's SSH port, as a ProxyCommand
of ssh.

It connects to the server's own address or, if that does not exist or answer,
through the API server. That requires the right to pods/portforward, but no open
port; heartbeats keep an idle session from being dropped on the way.

It wakes a server that is suspended by its idle timeout or schedule, waits for
it, and shows the progress on standard error.

NAME can also be NAME.NAMESPACE or NAME.NAMESPACE.devserver, so one line is
enough for all hosts of an ssh configuration. devctl ssh-config writes one.

` + exit.Help,
		Example: `  # Once, by hand
  ssh -o ProxyCommand='devctl ssh-proxy %n' \
    -o HostKeyAlias=trainer.team-a dev@trainer.team-a.devserver

  # Through the API server in any case
  ssh -o ProxyCommand='devctl ssh-proxy -n team-a --via api trainer' \
    dev@trainer`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(*cobra.Command, []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			if options.Via == reach.Gateway {
				return exit.With(exit.Usage, errors.New("--via=gateway needs your key, which only ssh has: use devctl ssh-config --via=gateway, or ssh -J"))
			}
			// Standard input is the connection, even if it is a terminal:
			// options.Complete is not called, so nothing is asked or drawn.
			return nil
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			return Run(ctx, to, reach.Parse(args[0], to.Namespace), options, streams)
		}),
	}
	options.AddTo(cmd)
	return cmd
}
