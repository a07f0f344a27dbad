// Package keep is the command devctl keep: it keeps a DevServer awake for some time,
// even if it is idle.
package keep

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/policy"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "keep NAME DURATION",
		Short: "Keep a DevServer awake for some time, even if it is idle",
		Long: `Keep a DevServer awake for some time, even if it is idle: it counts as active,
and its expiry is deferred, within the bounds of its flavor. This replaces an
earlier devctl keep.

The duration, from 1m to 87600h, counts from now: 6h, 1h30m or 2d.

` + exit.Help,
		Example: `  # Until tomorrow
  devctl keep trainer 1d

  # End it now
  devctl keep trainer --end`,
		Args: func(cmd *cobra.Command, args []string) error {
			if options.End {
				return cobra.ExactArgs(1)(cmd, args)
			}
			return cobra.ExactArgs(2)(cmd, args)
		},
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(_ *cobra.Command, args []string) (err error) {
			if !options.End {
				options.Duration, err = policy.ParseDuration(args[1])
			}
			return exit.With(exit.Usage, err)
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVar(&options.End, "end", false, "no longer keep it awake")
	return cmd
}
