// Package resize is the command devctl resize: it gives a DevServer another
// flavor, or a larger home directory.
package resize

import (
	"cmp"
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
		Use:   "resize NAME [--flavor FLAVOR] [--home-size SIZE]",
		Short: "Give a DevServer another flavor, or a larger home directory",
		Long: `Give a DevServer another flavor, or a larger home directory.

Another flavor restarts the server: its processes end, and its home directory,
keys and address stay. On a terminal the command asks first; elsewhere it
requires --yes.

A home directory grows without a restart if the storage supports that, and
never shrinks. If its StorageClass does not let volumes grow, the command says
so and changes nothing. If the larger size is refused, the exit code is 4.

On a terminal the command waits until the home directory has grown and you can
log in again; elsewhere only with --wait.

` + exit.Help,
		Example: `  # A larger flavor; the server restarts
  devctl resize trainer --flavor gpu-large

  # A larger home directory; the server keeps running
  devctl resize trainer --home-size 200Gi

  # In a script
  devctl resize trainer --flavor gpu-large --yes --wait`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			return cmp.Or(options.check(), options.Waiting.Complete(cmd, streams))
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Waiting.Namespace, options.Waiting.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().StringVar(&options.Flavor, "flavor", "", "the new flavor, see devctl flavors")
	cmd.Flags().StringVar(&options.HomeSize, "home-size", "", "the new `SIZE` of the home directory, such as 200Gi")
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask for confirmation")
	options.Waiting.AddWithWait(cmd.Flags(), "wait until the home directory has grown and you can log in again (default: on a terminal)")
	cmd.Flags().BoolVar(&options.AnyCapacity, "ignore-capacity", false, "accept a flavor that no node can run now, because nodes are added on demand")
	_ = cmd.RegisterFlagCompletionFunc("flavor", complete.Flavors(flags)) // The flag is there.
	_ = cmd.RegisterFlagCompletionFunc("home-size", cobra.NoFileCompletions)
	return cmd
}
