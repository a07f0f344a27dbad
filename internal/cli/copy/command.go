// Package copy is the command devctl cp: scp, told where a box is and which host
// key it must have.
package copy

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/reach"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "cp SOURCE... DESTINATION",
		Short: "Copy files to a DevServer, or from it",
		Long: `Copy files to a DevServer, or from it.

What is in the DevServer is written NAME:PATH; a path that does not begin with /
begins in the home directory. It runs scp, and wakes one that sleeps, as devctl
ssh does.

For large trees that change little, rsync sends only what is new: devctl
ssh-config makes the DevServer known to it.

` + exit.Help,
		Example: `  # A file there, into the home directory
  devctl cp model.py trainer:

  # A folder back
  devctl cp -r trainer:results ./results

  # Several at once, to a shared volume, as root
  devctl cp -n team-a *.parquet root@trainer:/shared/data/`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: complete.Paths(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			server, err := only(args)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			names, err := flags.UseNames(server)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			options.On(streams)
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
	cmd.Flags().BoolVarP(&options.Recursive, "recursive", "r", false, "copy folders, with all that is in them")
	cmd.Flags().BoolVarP(&options.Preserve, "preserve", "p", false, "keep times and modes")
	cmd.Flags().BoolVarP(&options.Quiet, "quiet", "q", false, "show no progress")
	return cmd
}
