// Package stop is the command devctl stop: it suspends a DevServer until its
// owner starts it again.
package stop

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
		Use:   "stop NAME",
		Short: "Stop a DevServer, and keep its home directory",
		Long: `Stop a DevServer. Its processes receive SIGTERM and have time to end; then its
CPUs, memory and GPUs are free. Its home directory, keys and address stay. Only
devctl start starts it again.

` + exit.Help,
		Example: `  # Stop it
  devctl stop trainer

  # Stop it, and continue when its GPUs are free
  devctl stop trainer --wait`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	options.AddWithWait(cmd.Flags(), "wait until its processes have ended")
	return cmd
}
