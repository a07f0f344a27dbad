// Package describe is the command devctl describe: all there is to know of one
// DevServer, on one page.
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
		Short: "Show all there is to know of a DevServer",
		Long: `Show all there is to know of a DevServer: what it asks for, how it is reached and
with which keys, its home directory, when it stops by itself, its conditions, and
the latest events of it, its pod and its home.

devctl why tells what of that matters now.`,
		Example: `  devctl describe trainer

  # The object, for a script
  devctl describe trainer -o json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	options.AddTo(cmd, output.Table, output.JSON, output.YAML, output.Name)
	return cmd
}

// Options say what to describe, and how.
type Options struct {
	output.Flags
	Namespace, Name string
}
