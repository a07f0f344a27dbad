// Package list is the command devctl list.
package list

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "get"},
		Short:   "List DevServers",
		Example: `  # Those of the current namespace
  devctl list

  # Those of all namespaces, with node, ssh command and cause
  devctl list -A -o wide

  # Yours, wherever they are
  devctl list -A --mine

  # And a line for each change, until Ctrl-C
  devctl list --watch

  # Their names, for scripts
  devctl list -o name`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace = to.Namespace
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().BoolVarP(&options.Namespaces, "all-namespaces", "A", false, "list the DevServers of all namespaces")
	cmd.Flags().BoolVarP(&options.Watch, "watch", "w", false, "go on with a line for each change, until Ctrl-C")
	cmd.Flags().BoolVar(&options.Mine, "mine", false, "only those that you own, by the name that the cluster knows you by")
	cmd.Flags().StringVar(&options.Owner, "owner", "", "only those of this owner")
	cmd.MarkFlagsMutuallyExclusive("mine", "owner")
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
