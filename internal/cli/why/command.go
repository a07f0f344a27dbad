// Package why is the command devctl why: the whole story of one DevServer, in
// plain words.
package why

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "why NAME",
		Short: "Tell the whole story of a DevServer in plain words",
		Long: `Tell the whole story of a DevServer in plain words: what it does and since when,
what it waits for, whether it counts as at work, what will happen next and when,
and what you can do. Times are in your own time zone.

With --live the server itself is asked what it shows at this moment, over SSH.
To ask is no work, and keeps no server awake.`,
		Example: `  # Why does it not start? When will it be suspended?
  devctl why trainer

  # Why does it not fall asleep?
  devctl why trainer --live`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to, options, streams)
			})
		},
	}
	cmd.Flags().BoolVar(&options.Live, "live", false, "ask the server itself, over SSH, what it shows at this moment")
	return cmd
}

// Options say whose story is told.
type Options struct {
	Namespace, Name string
	Live            bool
}

// width is that of the terminal, or what fits into most.
func width(stream any) int {
	if file, ok := stream.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return widest
}

// zone is the person's own, by TZ or the machine's setting.
func zone() *time.Location { return time.Local }
