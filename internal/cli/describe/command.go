// Package describe is the command devctl describe, which shows one DevServer and
// the objects around it on one page.
package describe

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "describe NAME",
		Short: "Show a DevServer in detail",
		Long: `Show a DevServer in detail: its flavor and image, its SSH address and keys, its
home directory, when it stops by itself, its conditions, and the latest events of
the DevServer, its pod and its home. Times in messages are in UTC.

devctl why explains the current state.`,
		Example: `  devctl describe trainer

  # The object, for a script
  devctl describe trainer -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	options.AddTo(cmd, output.Table, output.JSON, output.YAML, output.Name)
	return cmd
}

// Options name the DevServer and the output format.
type Options struct {
	output.Flags
	Namespace, Name string
}
