// Package doctor is the command devctl doctor: it looks at what devctl and
// DevServers need, and says what to do about what is missing.
package doctor

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/output"
)

// patience is how long the cluster has to answer all that it is asked.
const patience = 30 * time.Second

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var format output.Flags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the cluster, with a remedy for each finding",
		Long: `Check what devctl and DevServers need, on this machine and in the cluster, and say
for each finding what to do.

A failure keeps something from working, a warning may. What you may not see is
said, and is neither. The exit code is 1 where there is a failure.`,
		Example: `  devctl doctor

  # As somebody else would find it, and for a script
  devctl doctor -n team-a --context lab -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.Check(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), patience)
			defer cancel()
			f := machine(ctx)
			to, err := flags.Connect()
			if err != nil {
				f.unreachable = err.Error()
			} else {
				f.ask(ctx, to)
			}
			return report(examine(f), &format, streams)
		},
	}
	format.AddTo(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

// report prints the findings, and fails where one is a failure.
func report(findings []Finding, format *output.Flags, streams genericiooptions.IOStreams) error {
	var err error
	if format.ForPeople() {
		err = show(streams.Out, findings)
	} else {
		err = format.PrintValue(findings, streams.Out)
	}
	if err != nil {
		return err
	}
	for _, f := range findings {
		if f.Level == Failure {
			return exit.With(exit.Failed, errors.New("something does not work: see the lines with a cross"))
		}
	}
	return nil
}
