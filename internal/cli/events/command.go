// Package events is the command devctl events: it lists the events of a DevServer
// and of its objects, in the order of time.
package events

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "events NAME",
		Short: "List the events of a DevServer, its pod and its home directory",
		Long: `List the events of a DevServer, its pod and its home directory, the latest last.

A cluster deletes events after some time, usually an hour. Repeated events are
one line, with the time of the last one and their number.

` + exit.Help,
		Example: `  # All events
  devctl events trainer

  # Continue with new ones, until Ctrl-C
  devctl events -n team-a trainer --watch`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Watch, "watch", "w", false, "continue with new events, until Ctrl-C")
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}
