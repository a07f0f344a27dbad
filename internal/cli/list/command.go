// Package list is the command devctl list.
package list

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/reach"
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

With -o wide, MESSAGE explains each reason, AGENT is the version of the SSH server
in the DevServer, and CPU, MEMORY, GPU and HOME
are what the server uses of what it was granted: 0.3/4 CPUs, 3.1Gi/16Gi, 37%/1 (how
busy the busiest GPU is, and how many there are). devctl asks the servers for that
over SSH, for at most 10 seconds, which does not count as activity. For a server
that does not answer or does not let you in, for a home without a file system of
its own, and with --watch, the columns show only what was granted.

On a narrow terminal, columns are left out; files and pipes get all of them.`,
		Example: `  # In the current namespace
  devctl list

  # In all namespaces, with resources, node, ssh command and message
  devctl list -A -o wide

  # Yours
  devctl list --mine

  # With a line for each change, until Ctrl-C
  devctl list --watch

  # Their names, for scripts
  devctl list -o name`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, _ []string) error {
			options.Namespace = to.Namespace
			ask := func(ctx context.Context, ds *devserverv1.DevServer) (*agentapi.Report, error) {
				return reach.Report(ctx, to, ds)
			}
			return Run(ctx, to.Client, ask, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Namespaces, "all-namespaces", "A", false, "list the DevServers of all namespaces")
	cmd.Flags().BoolVarP(&options.Watch, "watch", "w", false, "continue with a line for each change, until Ctrl-C")
	cmd.Flags().BoolVar(&options.Mine, "mine", false, "list only those that you own, by the name that the cluster knows")
	cmd.Flags().StringVar(&options.Owner, "owner", "", "list only those of this owner")
	cmd.MarkFlagsMutuallyExclusive("mine", "owner")
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
