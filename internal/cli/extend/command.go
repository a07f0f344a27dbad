// Package extend is the command devctl extend: it gives a DevServer a longer
// time to live.
package extend

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/policy"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	return &cobra.Command{
		Use:   "extend NAME DURATION",
		Short: "Let a DevServer expire later",
		Long: `Let a DevServer expire later, by a duration from 1m to 87600h: 6h, 1h30m or 2d. Its
time to live (lifecycle.timeToLive) becomes that much longer, as far as its flavor
allows, and stays so for its next starts. What runs in it goes on.

How it differs from devctl keep: extend moves the time at which it expires, and
nothing else, so that a server without work is still suspended for that. A keep
counts from now, also holds against the idle timeout, and leaves nothing behind
when it is over.

` + exit.Help,
		Example: `  # Six hours more than it has
  devctl extend trainer 6h

  # The job runs until tomorrow, at work or not: keep it instead
  devctl keep trainer 1d`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if options.By, err = policy.ParseDuration(args[1]); err != nil {
				return exit.With(exit.Usage, err)
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
}
