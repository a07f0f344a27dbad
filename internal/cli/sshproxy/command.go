// Package sshproxy is the command devctl ssh-proxy: what stands between an
// OpenSSH client and a box, as its ProxyCommand.
package sshproxy

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/reach"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options reach.Options
	cmd := &cobra.Command{
		Use:   "ssh-proxy NAME",
		Short: "Connect standard input and output to a DevServer's SSH port, for ProxyCommand",
		Long: `Connect standard input and output to a DevServer's SSH port, for ProxyCommand.

It goes to the address that the cluster says or, where there is none or it does
not answer, through the API server, which takes the right to pods/portforward
and no open port. A sign of life every few seconds keeps a silent session from
being forgotten on the way. One that sleeps for want of work, or by its schedule,
is woken and waited for; what happens is said on standard error.

NAME may be NAME.NAMESPACE or NAME.NAMESPACE.devserver, so that one line serves
all hosts of an ssh configuration. devctl ssh-config writes one.

` + exit.Help,
		Example: `  # Once, by hand
  ssh -o ProxyCommand='devctl ssh-proxy %n' -o HostKeyAlias=trainer.team-a dev@trainer.team-a.devserver

  # Through the API server, even if there is a shorter way
  ssh -o ProxyCommand='devctl ssh-proxy -n team-a --via api trainer' dev@trainer`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			if options.Via == reach.Gateway {
				return exit.With(exit.Usage, errors.New("the gateway wants a key, which ssh has: take devctl ssh-config --via=gateway, or ssh -J"))
			}
			// Standard input is the connection, even where it is a terminal:
			// nobody is asked, and nothing is drawn.
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return Run(ctx, to, reach.Parse(args[0], to.Namespace), options, streams)
			})
		},
	}
	options.AddTo(cmd)
	return cmd
}
