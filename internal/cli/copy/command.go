// Package copy is the command devctl cp: it wakes a server and runs scp with its
// address and host key.
package copy

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "cp SOURCE... DESTINATION",
		Short: "Copy files to or from a DevServer",
		Long: `Copy files to or from a DevServer.

NAME:PATH is a file or directory in the DevServer. A PATH that does not begin
with / is relative to the home directory. The command runs scp, and wakes a
suspended server as devctl ssh does.

For large directories that change little, rsync sends only the changes: devctl
ssh-config adds the DevServer to its configuration.

` + exit.Help,
		Example: `  # A file, to the home directory
  devctl cp model.py trainer:

  # A directory, to this machine
  devctl cp -r trainer:results ./results

  # Several files, to a shared volume, as root
  devctl cp -n team-a *.parquet root@trainer:/shared/data/`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: complete.Paths(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Complete(streams) },
		RunE: func(cmd *cobra.Command, args []string) error {
			server, err := only(args)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			names, err := flags.UseNames(server)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				line, err := Prepare(ctx, to, reach.Parse(names[0], to.Namespace), args, options, streams)
				if err != nil {
					return err
				}
				return openssh.Become(line, streams)
			})
		},
	}
	options.AddTo(cmd)
	options.AddIdentity(cmd)
	cmd.Flags().BoolVarP(&options.Recursive, "recursive", "r", false, "copy directories with their contents")
	cmd.Flags().BoolVarP(&options.Preserve, "preserve", "p", false, "keep modification times and modes")
	cmd.Flags().BoolVarP(&options.Quiet, "quiet", "q", false, "show no progress")
	return cmd
}
