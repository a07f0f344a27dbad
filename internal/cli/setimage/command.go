// Package setimage is the command devctl set-image: it gives a DevServer another
// container image.
package setimage

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
		RunE: func(cmd *cobra.Command, args []string) error {
			options.Image = args[1]
			options.Waiting.ByDefault(cmd, &options.Wait, streams)
			if err := options.check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Waiting.Namespace, options.Waiting.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask for confirmation")
	cmd.Flags().BoolVar(&options.Wait, "wait", false, "wait until you can log in again (default: on a terminal)")
	options.Waiting.AddTo(cmd.Flags())
	return cmd
}
