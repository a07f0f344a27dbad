// Package wait is the command devctl wait: it shows the stages of a starting
// DevServer until you can log in, or until it reports why you cannot.
package wait

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
		Use:   "wait NAME",
		Short: "Wait until you can log in to a DevServer, and show its progress",
		Long: `Wait until you can log in to a DevServer, and show its progress.

The stages appear on standard error: as a live view on a terminal, otherwise
one line each. At the end, the command prints the devctl ssh command to a
terminal, or the plain ssh command to a file or pipe.

If a problem can resolve itself, such as a flavor that does not exist yet, the
command shows it and keeps waiting. If it cannot, such as an invalid key or an
image that cannot be pulled, the command ends.

` + exit.Help,
		Example: `  # Wait for a server that was just applied
  devctl wait trainer

  # Log in as soon as it runs
  devctl wait trainer --timeout 30m && devctl ssh trainer`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return options.Complete(cmd, streams) },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			return Run(ctx, to.Client, options, streams)
		}),
	}
	options.AddTo(cmd.Flags())
	return cmd
}

// AddTo adds the flags that say how to wait.
func (o *Options) AddTo(flags *pflag.FlagSet) {
	flags.DurationVar(&o.Timeout, "timeout", 5*time.Minute, "how long to wait")
}

// AddWithWait adds --wait too, for a command that may wait when it is done.
func (o *Options) AddWithWait(flags *pflag.FlagSet, usage string) {
	flags.BoolVar(&o.Wait, "wait", false, usage)
	o.AddTo(flags)
}

// Complete adapts the options to the streams of the command, and checks them.
// Without --wait, the command waits on a terminal.
func (o *Options) Complete(cmd *cobra.Command, streams genericiooptions.IOStreams) error {
	o.Live = OnTerminal(streams)
	if !cmd.Flags().Changed("wait") {
		o.Wait = o.Live
	}
	return o.Check()
}

// Check says what is wrong with the flags.
func (o *Options) Check() error {
	if o.Timeout <= 0 {
		return exit.With(exit.Usage, errors.New("--timeout must be longer than 0s, for example 5m"))
	}
	return nil
}

// OnTerminal tells whether standard input and standard error are a terminal that
// can be drawn on.
func OnTerminal(streams genericiooptions.IOStreams) bool {
	return output.IsTerminal(streams.ErrOut) && output.IsTerminal(streams.In) && os.Getenv("TERM") != "dumb"
}
