// Package restart is the command devctl restart.
package restart

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
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			options.ByDefault(cmd, &options.Wait, streams)
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().BoolVar(&options.Wait, "wait", false, "wait until you can log in (default: on a terminal)")
	options.AddTo(cmd.Flags())
	return cmd
}
