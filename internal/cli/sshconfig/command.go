// Package sshconfig is the command devctl ssh-config: it makes boxes known to
// everything that reads OpenSSH's configuration, such as editors and rsync.
//
// No host is given an address: addresses change when a box starts on another
// node, and nothing there wakes one that sleeps. Hosts go through the cluster's
// gateway, or else through devctl ssh-proxy, which takes the direct way where
// there is one.
package sshconfig

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/cli/wait"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "ssh-config",
		Short: "Make DevServers known to ssh, VS Code, Cursor, JetBrains and rsync",
		Long: `Make DevServers known to ssh, VS Code, Cursor, JetBrains and rsync.

It writes a file of its own, ~/.ssh/devserver/config, with a host
NAME.NAMESPACE.devserver for each DevServer of the namespace, and beside it the
host keys that the cluster says. Hosts of DevServers that are gone are removed;
those of other namespaces and clusters stay. Run it again after a DevServer was
created.

~/.ssh/config has to include that file, by one line at its top. Whether to add
it is asked once; nothing else is ever changed there. Without a terminal it is
added with --yes only.

Where the cluster has a gateway that answers, the hosts go through that, with
ssh alone; else through devctl ssh-proxy. A connection wakes a DevServer that
sleeps for want of work. VS Code gives up after 15 seconds, unless its setting
remote.SSH.connectTimeout says more; devctl code waits first.

` + exit.Help,
		Example: `  # All of this namespace
  devctl ssh-config
  ssh trainer.team-a.devserver
  rsync -a data/ trainer.team-a.devserver:data/

  # All that you can see, without a question
  devctl ssh-config -A --yes

  # What it would write
  devctl ssh-config --print

  # Undo it: the file, the host keys and the line in ~/.ssh/config
  devctl ssh-config --remove`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Print && options.Remove {
				return exit.With(exit.Usage, errors.New("--print and --remove exclude each other"))
			}
			if err := reach.CheckVia(options.Via); err != nil {
				return err
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
	cmd.Flags().BoolVar(&options.Remove, "remove", false, "remove all that this command has written")
	reach.AddVia(cmd, &options.Via)
	return cmd
}
