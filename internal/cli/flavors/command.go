// Package flavors is the command devctl flavors, and says in words what a
// flavor is and whether it fits now.
package flavors

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:     "flavors [FLAVOR...]",
		Aliases: []string{"flavor", "sizes"},
		Short:   "List the sizes that DevServers come in, and what fits now",
		Long: `List the flavors, which are the sizes that DevServers come in: what a server gets,
how many more the nodes have room for now (FITS), how many there are (IN USE),
and whether one more would find a node (SCHEDULABLE): Yes, No, Autoscaled where a
node would be added for it, or Unknown. A server without a flavor gets the
default one.

4-8 CPUs are four for sure, and up to eight while the node has them to spare.

` + exit.Help,
		Example: `  # What is there, and what fits now
  devctl flavors

  # With the reason of what does not fit, the default image and the bounds of homes
  devctl flavors -o wide

  # Everything about one
  devctl flavors gpu-large -o yaml`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: complete.Flavors(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Names = args
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
