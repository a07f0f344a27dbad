// Package flavors is the command devctl flavors, and describes flavors for other
// commands.
package flavors

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:     "flavors [FLAVOR...]",
		Aliases: []string{"flavor", "sizes"},
		Short:   "List the flavors of DevServers, and what fits now",
		Long: `List the flavors: what a server of each gets, how many more the nodes have room
for now (FITS), how many exist (IN USE), and whether one more would find a node
(SCHEDULABLE): Yes, No, Autoscaled if a node would be added for it, or Unknown.
A server without a flavor gets the default one.

4-8 CPUs means that 4 are guaranteed, and up to 8 while the node has them free.
On a narrow terminal, columns are left out.

` + exit.Help,
		Example: `  # All flavors
  devctl flavors

  # With reasons, images and the bounds of home directories
  devctl flavors -o wide

  # Everything about one
  devctl flavors gpu-large -o yaml`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Flavors(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Names = args
			return Run(ctx, to.Client, options, streams)
		}),
	}
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
