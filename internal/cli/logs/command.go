// Package logs is the command devctl logs: it prints the logs of the SSH server, of
// the server's main process, and of processes that belong to no session.
package logs

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Print the logs of a DevServer: logins, sessions, and why it does not start",
		Long: `Print the logs of a DevServer: logins, sessions, and why it does not start.

The logs of the SSH server (container ssh) and of the server's main process
(container devserver) are merged by time. While the step that prepares the
server is running, or if it failed, the command prints the logs of that step
(container prepare). A suspended server has no logs, because its pod was
deleted; the command then reports why it stopped.

A file or a pipe gets the logs byte for byte. On a terminal, colors stay, and
other control characters are shown, such as \x1b for Escape, because containers
could use them to change what you see.

` + exit.Help,
		Example: `  # The last hour, and new lines
  devctl logs trainer --since 1h -f

  # Logins and sessions alone
  devctl logs trainer -c ssh

  # From before its container was restarted
  devctl logs trainer --previous --tail 50`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("tail") && options.Tail < 0 {
				return exit.With(exit.Usage, errors.New("--tail must be 0 or more lines"))
			}
			if cmd.Flags().Changed("since") && options.Since < time.Second {
				return exit.With(exit.Usage, errors.New("--since must be a second or more, for example 10m"))
			}
			if options.Follow && options.Previous {
				return exit.With(exit.Usage, errors.New("--follow and --previous exclude each other: a container that ended writes nothing more"))
			}
			return nil
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			return Run(ctx, to, to.Namespace, args[0], options, streams)
		}),
	}
	cmd.Flags().StringVarP(&options.Container, "container", "c", "", "print only the logs of this container of the pod, such as ssh")
	cmd.Flags().BoolVarP(&options.Follow, "follow", "f", false, "continue with new lines, until Ctrl-C")
	cmd.Flags().BoolVarP(&options.Previous, "previous", "p", false, "print the logs from before the container was restarted")
	cmd.Flags().DurationVar(&options.Since, "since", 0, "print only lines newer than this, such as 10m")
	cmd.Flags().Int64Var(&options.Tail, "tail", -1, "print only this many of the last lines (default: all)")
	cmd.Flags().BoolVar(&options.Timestamps, "timestamps", false, "print the time before each line")
	return cmd
}
