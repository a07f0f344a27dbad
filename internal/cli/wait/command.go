// Package wait is the command devctl wait: it shows a DevServer's way to its
// first shell, and ends there or with the cause in words.
package wait

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "wait NAME",
		Short: "Wait until one can log in to a DevServer, and show what happens until then",
		Long: `Wait until one can log in to a DevServer, and show what happens until then.

The stages appear on standard error, as a live view on a terminal, else as one
line each. At the end the ssh command is printed on standard output.

A cause that may go away by itself, such as a flavor that does not exist yet, is
shown while it waits. One that does not, such as a key that cannot be read or an
image that cannot be fetched, ends it.

` + exit.Help,
		Example: `  # Wait for a server that was just applied
  devctl wait trainer

  # Log in as soon as it is there
  devctl wait trainer --timeout 30m && devctl ssh trainer`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			options.Live = OnTerminal(streams)
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return Run(ctx, to.Client, options, streams)
			})
		},
	}
	options.AddTo(cmd.Flags())
	return cmd
}

// AddTo makes the flags known that say how to wait.
func (o *Options) AddTo(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long to wait")
}

// ByDefault is for commands that may wait when they are done, with --wait: where
// it says nothing, they do so on a terminal.
func (o *Options) ByDefault(cmd *cobra.Command, wait *bool, streams genericiooptions.IOStreams) {
	o.Live = OnTerminal(streams)
	if !cmd.Flags().Changed("wait") {
		*wait = o.Live
	}
}

// Check says what is wrong with the flags.
func (o *Options) Check() error {
	if o.Timeout <= 0 {
		return exit.With(exit.Usage, errors.New("--timeout must be longer than nothing, for example 5m"))
	}
	return nil
}

// OnTerminal tells whether there is a terminal to draw on.
func OnTerminal(streams genericiooptions.IOStreams) bool {
	return isTerminal(streams.ErrOut) && isTerminal(streams.In) && os.Getenv("TERM") != "dumb"
}

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
