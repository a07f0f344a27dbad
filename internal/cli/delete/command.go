// Package delete is the command devctl delete: it deletes DevServers, and with
// --home their home directories.
package delete

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
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete DevServers, and keep their home directories unless --home is given",
		Long: `Delete DevServers. Their processes end.

A home directory is kept, unless the DevServer has home.retentionPolicy Delete,
the home directory is ephemeral, or --home is given. The question names the
volume of each home directory and says whether it is deleted.

On a terminal the command asks first; elsewhere it requires --yes. If one of
several DevServers does not exist, none is deleted.

To free CPUs and GPUs for a while, use devctl stop.

` + exit.Help,
		Example: `  # Delete one, after a question
  devctl delete trainer

  # Delete one with all of its files
  devctl delete trainer --home

  # In a script, and continue when its GPUs are free
  devctl delete trainer --yes --wait`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.EachDevServer(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Waiting.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Waiting.Namespace, options.Names = to.Namespace, args
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask for confirmation")
	options.Waiting.AddWithWait(cmd.Flags(), "wait until they and their pods no longer exist")
	cmd.Flags().BoolVar(&options.Home, "home", false, "delete their home directories too, with all files in them")
	return cmd
}
