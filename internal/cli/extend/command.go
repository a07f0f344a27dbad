// Package extend is the command devctl extend: it gives a DevServer a longer
// time to live.
package extend

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
	return &cobra.Command{
		Use:   "extend NAME DURATION",
		Short: "Let a DevServer expire later",
		Long: `Let a DevServer expire later, by a duration from 1m to 87600h: 6h, 1h30m or 2d.
Its time to live (lifecycle.timeToLive) becomes that much longer, within the
bounds of its flavor, also for later starts. The server keeps running.

devctl extend only delays the expiry: an idle server is still suspended. devctl
keep counts from now, also keeps an idle server awake, and has no effect after
that time.

` + exit.Help,
		Example: `  # Six hours more than now
  devctl extend trainer 6h

  # Keep it awake until tomorrow, even if it is idle
  devctl keep trainer 1d`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(_ *cobra.Command, args []string) (err error) {
			options.By, err = policy.ParseDuration(args[1])
			return exit.With(exit.Usage, err)
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
}
