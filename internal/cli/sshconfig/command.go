// Package sshconfig is the command devctl ssh-config: it adds servers as hosts to
// OpenSSH's configuration, for everything that reads it, such as editors and rsync.
//
// Hosts have no addresses: an address changes when a server starts on another
// node, and cannot wake a suspended one. Connections go through the cluster's
// gateway, or else through devctl ssh-proxy, which connects directly if it can.
package sshconfig

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	var short bool
	cmd := &cobra.Command{
		Use:   "ssh-config",
		Short: "Add DevServers to the configuration of ssh, editors and rsync",
		Long: `Add DevServers to the configuration of ssh, which VS Code, Cursor, JetBrains
and rsync read too.

It writes its own file, ~/.ssh/devserver/config, with a host
NAME.NAMESPACE.devserver for each DevServer of the namespace, and their host
keys beside it. It removes the hosts of DevServers that no longer exist, and
keeps those of other namespaces and clusters.

~/.ssh/config must include that file, with one line at its top. The command
asks before it adds the line, and changes nothing else in the file. Without a
terminal, it adds the line only with --yes. Once the line exists, devctl create
adds new servers to the configuration.

With --short, the servers of the current namespace are also hosts by their
names alone: ssh trainer. This lasts until you run it with --short=false, or
with --short in another namespace. If a Host or Match line of your own
configuration, other than "Host *", matches a name, that name keeps its
meaning.

If the cluster has a gateway that answers, connections go through it and need
only ssh; otherwise they go through devctl ssh-proxy. A connection wakes a
server that is suspended by its idle timeout or schedule. VS Code gives up
after 15 seconds unless you increase its setting remote.SSH.connectTimeout;
devctl code waits until the server is running.

` + exit.Help,
		Example: `  # All DevServers of this namespace
  devctl ssh-config
  ssh trainer.team-a.devserver
  rsync -a data/ trainer.team-a.devserver:data/

  # Also by their names alone
  devctl ssh-config --short
  ssh trainer

  # All DevServers that you can see, without asking
  devctl ssh-config -A --yes

  # Print what it would write
  devctl ssh-config --print

  # Remove the file, the host keys and the line in ~/.ssh/config
  devctl ssh-config --remove`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Print && options.Remove {
				return exit.With(exit.Usage, errors.New("--print and --remove cannot be used together"))
			}
			if err := reach.CheckVia(options.Via); err != nil {
				return err
			}
			if cmd.Flags().Changed("short") {
				options.Short = &short
			}
			options.Terminal = wait.OnTerminal(streams)
			if options.Remove {
				return remove(cmd.Context(), options, streams)
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return Run(ctx, to, options, streams)
			})
		},
	}
	cmd.Flags().BoolVarP(&options.All, "all-namespaces", "A", false, "the DevServers of all namespaces")
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "change ~/.ssh/config without asking")
	cmd.Flags().BoolVar(&options.Print, "print", false, "print the file that would be written, and write nothing")
	cmd.Flags().BoolVar(&options.Remove, "remove", false, "remove everything that this command has written")
	cmd.Flags().BoolVar(&short, "short", false, "also add the servers of the namespace by their names alone")
	reach.AddVia(cmd, &options.Via)
	return cmd
}
