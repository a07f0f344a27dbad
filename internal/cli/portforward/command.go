// Package portforward is the command devctl port-forward: ssh -L. Unlike kubectl
// port-forward it reaches what listens on the server's loopback interface,
// survives silence, and counts as activity.
package portforward

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "port-forward NAME [LOCAL:]REMOTE...",
		Short: "Forward local ports to a DevServer",
		Long: `Forward ports of this machine to a DevServer, until Ctrl-C.

It runs ssh, so it reaches programs that listen on the DevServer's localhost,
such as Jupyter or TensorBoard, and an idle connection stays open. It wakes a
suspended server as devctl ssh does.

LOCAL is the port on this machine, by default the same as REMOTE. If nothing
precedes the colon, devctl chooses a free port.

` + exit.Help,
		Example: `  # Jupyter, at http://localhost:8888
  devctl port-forward trainer 8888

  # Two ports: one with another number here, one with any free number
  devctl port-forward -n team-a trainer 9000:6006 :8265`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Complete(streams) },
		RunE: func(cmd *cobra.Command, args []string) error {
			ports, err := parsePorts(args[1:])
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return Run(ctx, to, reach.Parse(args[0], to.Namespace), ports, options, streams)
			})
		},
	}
	options.AddTo(cmd)
	options.AddIdentity(cmd)
	cmd.Flags().StringVar(&options.Address, "address", "127.0.0.1", "local address to listen on; 0.0.0.0 lets other machines connect")
	return cmd
}
