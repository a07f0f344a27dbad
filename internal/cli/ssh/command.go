// Package ssh is the command devctl ssh: it wakes a DevServer and runs the stock
// OpenSSH client with its address and host key.
package ssh

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options reach.Options
	cmd := &cobra.Command{
		Use:   "ssh [flags] [USER@]NAME [ssh flags...] [-- COMMAND...]",
		Short: "Log in to a DevServer, or run a command in it",
		Long: `Log in to a DevServer, or run a command in it.

It wakes a server that is suspended by its idle timeout or schedule, and waits
for one that is starting. Before it starts a server that its owner suspended, or
that has expired, it asks; without a terminal it requires --start.

It then runs ssh, with the host key from the cluster. It connects to the
server's own address or, if that does not exist or answer, through the API
server. Everything after NAME is passed to ssh: its flags, and the command. The
exit code is that of ssh: the exit code of the command, or 255.

` + exit.Help,
		Example: `  # A shell
  devctl ssh trainer

  # A command, and its exit code
  devctl ssh trainer -- nvidia-smi -L

  # With a specific key, a forwarded port and the SSH agent
  devctl ssh -n team-a trainer -i ~/.ssh/work -L 8888:localhost:8888 -A

  # In a script, whatever the state of the server
  devctl ssh --start --timeout 20m trainer -- python train.py

  # As root, if the flavor allows it
  devctl ssh root@trainer`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exit.With(exit.Usage, errors.New("name the DevServer: devctl ssh NAME"))
			}
			return nil
		},
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Complete(streams) },
		RunE: func(cmd *cobra.Command, args []string) error {
			name, rest := args[0], args[1:]
			if mine, ok := ownFlag(rest); ok {
				return exit.With(exit.Usage, fmt.Errorf("%s is after the name, where flags are for ssh: put it before %s", mine, name))
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				line, err := Prepare(ctx, to, reach.Parse(name, to.Namespace), options, rest, streams)
				if err != nil {
					return err
				}
				return openssh.Become(line, streams)
			})
		},
	}
	cmd.Flags().SetInterspersed(false)
	options.AddTo(cmd)
	return cmd
}
