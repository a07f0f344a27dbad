// Package doctor is the command devctl doctor: it checks what devctl and DevServers
// require, and says how to fix what is missing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// patience is how long the cluster may take to answer all requests.
const patience = 30 * time.Second

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var (
		format output.Flags
		admin  bool
	)
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check this machine and the cluster, with a remedy for each finding",
		Long: `Check what devctl and DevServers require, on this machine and in the cluster,
and say what to do about each finding.

A failure prevents something from working; a warning may do so. Checks that you
have no rights for are reported as unknown. The exit code is 1 if there is a
failure.

With --admin, check the nodes too: the versions of their kubelets and container
runtimes, and what happens when a server runs out of memory. This requires the
right to list nodes and to get nodes/proxy.`,
		Example: `  devctl doctor

  # As a cluster admin, check the nodes too
  devctl doctor --admin

  # For another namespace and cluster, in a script
  devctl doctor -n team-a --context lab -o json`,
		Args: noServer,
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
				if admin {
					f.askAdmin(ctx, to)
				}
			}
			return report(examine(f), &format, streams)
		},
	}
	format.AddTo(cmd, output.Table, output.JSON, output.YAML)
	cmd.Flags().BoolVar(&admin, "admin", false, "check the nodes too, as a cluster admin")
	return cmd
}

// noServer refuses arguments. An argument is probably the name of a server.
func noServer(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("doctor checks this machine and the cluster, not a server: to check the server %[1]s, run devctl why %[1]s", args[0])
}

// report prints the findings, and returns an error if one is a failure.
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
			return exit.With(exit.Failed, errors.New("there are failures: see the lines with ✗"))
		}
	}
	return nil
}
