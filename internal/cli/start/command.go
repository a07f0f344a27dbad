// Package start is the command devctl start: it starts a suspended or expired
// DevServer.
package start

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options wait.Options
	cmd := &cobra.Command{
		Use:   "start NAME",
		Short: "Start a suspended or expired DevServer",
		Long: `Start a DevServer that was stopped, that was suspended by its idle timeout or
schedule, or whose time to live is over. A running server is left unchanged.

On a terminal the command then waits until you can log in, as devctl wait does;
elsewhere only with --wait.

` + exit.Help,
		Example: `  # Start it, and log in as soon as it runs
  devctl start trainer --wait && devctl ssh trainer

  # Start it without waiting
  devctl start trainer --wait=false`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return options.Complete(cmd, streams) },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	options.AddWithWait(cmd.Flags(), "wait until you can log in (default: on a terminal)")
	return cmd
}
