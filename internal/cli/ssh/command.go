// Package ssh is the command devctl ssh: the stock OpenSSH client, told where a
// DevServer is and which host key it must have, once it is awake.
package ssh

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/openssh"
	"devserver.io/devserver/internal/cli/reach"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options reach.Options
	cmd := &cobra.Command{
		Use:   "ssh [flags] [USER@]NAME [ssh flags...] [-- COMMAND...]",
		Short: "Log in to a DevServer, or run a command in it",
		Long: `Log in to a DevServer, or run a command in it.

One that sleeps for want of work, or by its schedule, is woken, and one that is
starting is waited for. Whether to start one that its owner suspended, or whose
time to live is over, is asked on a terminal, and refused elsewhere without
--start.

It then becomes ssh, with the host key that the cluster says and with the
address that it says or, where that is none or does not answer, with a way
through the API server. What stands behind NAME is for ssh: its flags, and the
command. The exit code is that of ssh, which is that of the command, or 255.

` + exit.Help,
		Example: `  # A shell
  devctl ssh trainer

  # A command, and its exit code
  devctl ssh trainer -- nvidia-smi -L

  # A key of its own, a port brought here, and the agent along
  devctl ssh -n team-a trainer -i ~/.ssh/work -L 8888:localhost:8888 -A

  # In a script, whatever state it is in
  devctl ssh --start --timeout 20m trainer -- python train.py

  # As root, where its flavor grants that
  devctl ssh root@trainer`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exit.With(exit.Usage, errors.New("say which DevServer: ssh NAME"))
			}
			return nil
		},
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, rest := args[0], args[1:]
			if mine, ok := ownFlag(rest); ok {
				return exit.With(exit.Usage, fmt.Errorf("%s stands behind the name, where flags are for ssh: put it before %s", mine, name))
			}
			if err := options.Check(); err != nil {
				return err
			}
			options.On(streams)
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
