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
		Long: `List DevServers.

REASON shows why a server is not Running, and what else needs attention:
HomeFull, RestartPending, ResizePending or StopPending. ACTIVITY is Active,
KeptAwake, Idle with the time since the last activity, or Unknown. It is <none>
for a server that is never suspended for being idle.

With -o wide, CPU, MEMORY, GPU and HOME are what the server was granted, and
MESSAGE explains each reason. On a narrow terminal, columns are left out; files
and pipes get all of them.`,
		Example: `  # In the current namespace
  devctl list

  # In all namespaces, with resources, node, ssh command and message
  devctl list -A -o wide

  # Yours, in all namespaces
  devctl list -A --mine

  # With a line for each change, until Ctrl-C
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
	cmd.Flags().BoolVarP(&options.Watch, "watch", "w", false, "continue with a line for each change, until Ctrl-C")
	cmd.Flags().BoolVar(&options.Mine, "mine", false, "list only those that you own, by the name that the cluster knows")
	cmd.Flags().StringVar(&options.Owner, "owner", "", "list only those of this owner")
	cmd.MarkFlagsMutuallyExclusive("mine", "owner")
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
