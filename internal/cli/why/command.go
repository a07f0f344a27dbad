// Package why is the command devctl why, which explains one DevServer in plain
// English.
package why

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Explain the state of a DevServer",
		Long: `Explain the state of a DevServer in plain English: how long it has been in that
state and why, whether it is active, what happens next and when, and what you
can do. Times are in your own time zone.

With --live, devctl asks the server over SSH for its current figures. Asking does
not count as activity.`,
		Example: `  # Why does it not start? When is it suspended?
  devctl why trainer

  # Why does it count as active?
  devctl why trainer --live`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to, options, streams)
		}),
	}
	cmd.Flags().BoolVar(&options.Live, "live", false, "ask the server over SSH for its current CPU, GPU, terminal and SSH activity")
	return cmd
}

// Options name the DevServer.
type Options struct {
	Namespace, Name string
	Live            bool
}
