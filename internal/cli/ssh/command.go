// Package ssh is the command devctl ssh: the stock OpenSSH client, told where a
// DevServer is and which host key it must have.
package ssh

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh NAME [ssh flags...] [-- COMMAND...]",
		Short: "Log in to a DevServer, or run a command in it",
		Long: `Log in to a DevServer, or run a command in it.

It runs ssh, with the address and the host key that the cluster says. What
stands behind NAME is for ssh: its flags, and the command. The exit code is
that of ssh, which is that of the command, or 255.`,
		Example: `  # A shell
  devctl ssh trainer

  # A command, and its exit code
  devctl ssh trainer -- nvidia-smi -L

  # A key of its own, a port brought here, and the agent along
  devctl ssh -n team-a trainer -i ~/.ssh/work -L 8888:localhost:8888 -A`,
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
			to, err := flags.Connect()
			if err != nil {
				return err
			}
			line, err := Prepare(cmd.Context(), to.Client, to.Namespace, name, rest)
			if err != nil {
				return err
			}
			return run(line, streams)
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}
