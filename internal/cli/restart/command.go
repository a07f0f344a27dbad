// Package restart is the command devctl restart.
package restart

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
		Use:   "restart NAME",
		Short: "Restart a DevServer",
		Long: `Restart a DevServer. Its processes end; its home directory, keys and address
stay. Pending changes of its flavor or of the operator take effect, and its time
to live begins again.

On a terminal, the command then waits until you can log in, as devctl wait
does; elsewhere it waits only with --wait.

` + exit.Help,
		Example: `  # Restart it, and wait until you can log in again
  devctl restart trainer

  # In a script
  devctl restart trainer --wait --timeout 10m &&
    devctl ssh trainer -- ./train.sh`,
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
