// Package portforward is the command devctl port-forward: ssh -L. What goes
// through ssh reaches whatever listens in the box, on its loopback interface
// too, ends no earlier than the session, and counts as work.
package portforward

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/reach"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "port-forward NAME [LOCAL:]REMOTE...",
		Short: "Bring ports of a DevServer to this machine",
		Long: `Bring ports of a DevServer to this machine, until Ctrl-C.

It runs ssh, so it reaches what listens on the DevServer's own localhost, such as
Jupyter or TensorBoard, and survives silence. One that sleeps is woken, as devctl
ssh does. LOCAL is the port here, the same as REMOTE if it is left out; with
nothing before the colon, a free one is taken.

` + exit.Help,
		Example: `  # Jupyter, at http://localhost:8888
  devctl port-forward trainer 8888

  # Two ports, one under another number, one under any that is free
  devctl port-forward -n team-a trainer 9000:6006 :8265`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := options.Check(); err != nil {
				return err
			}
			ports, err := parsePorts(args[1:])
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			options.On(streams)
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return Run(ctx, to, reach.Parse(args[0], to.Namespace), ports, options, streams)
			})
		},
	}
	options.AddTo(cmd)
	options.AddIdentity(cmd)
	cmd.Flags().StringVar(&options.Address, "address", "127.0.0.1", "address of this machine to listen on; 0.0.0.0 lets others in")
	return cmd
}
