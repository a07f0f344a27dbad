// Package setimage is the command devctl set-image: it gives a DevServer another
// container image.
package setimage

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/imageref"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "set-image NAME IMAGE",
		Short: "Give a DevServer another image",
		Long: `Give a DevServer another image.

The server restarts: its processes end, and what was changed outside the home
directory is lost. Its home directory, keys and address stay. On a terminal the
command asks first; elsewhere it requires --yes. A suspended server gets the
image at its next start.

Nothing is written if the image reference is malformed, or if the flavor does
not allow the image.

On a terminal the command waits until you can log in again; elsewhere only with
--wait.

` + exit.Help,
		Example: `  # Another version of the team's image
  devctl set-image trainer registry.example.com/team/train:v4

  # In a script
  devctl set-image trainer debian:13 --yes --wait`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(cmd *cobra.Command, args []string) error {
			options.Image = args[1]
			return cmp.Or(exit.With(exit.Usage, imageref.Check(options.Image)), options.Waiting.Complete(cmd, streams))
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Waiting.Namespace, options.Waiting.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask for confirmation")
	options.Waiting.AddWithWait(cmd.Flags(), "wait until you can log in again (default: on a terminal)")
	return cmd
}
