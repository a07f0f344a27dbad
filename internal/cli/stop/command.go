// Package stop is the command devctl stop: it suspends a DevServer until its
// owner starts it again.
package stop

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
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
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().BoolVar(&options.Wait, "wait", false, "wait until its processes have ended")
	options.AddTo(cmd.Flags())
	return cmd
}
