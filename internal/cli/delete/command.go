// Package delete is the command devctl delete: it deletes DevServers, and says
// what becomes of their home directories.
package delete

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete DevServers, and say what becomes of their home directories",
		Long: `Delete DevServers. What runs in them ends. A home directory stays, unless its
DevServer says otherwise (home.retentionPolicy: Delete) or it is ephemeral; what
becomes of each is said before.

On a terminal it asks first. Elsewhere it wants --yes. If one of several is not
there, none is deleted.

To free CPUs and GPUs for a while, devctl stop is enough.

` + exit.Help,
		Example: `  # Delete one, after a question
  devctl delete trainer

  # In a script, and go on when its GPUs are free
  devctl delete trainer --yes --wait`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.EachDevServer(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Waiting.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Waiting.Namespace, options.Names = to.Namespace, args
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&options.Wait, "wait", false, "wait until they and their pods are gone")
	options.Waiting.AddTo(cmd.Flags())
	return cmd
}
