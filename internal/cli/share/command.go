// Package share is the commands devctl share and devctl unshare: which public
// keys may log in to a DevServer.
package share

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command devctl share.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "share NAME",
		Short: "Let other people log in to a DevServer, or list the keys that can",
		Long: `Let other people log in to a DevServer, or list the keys that can.

It adds public keys to the DevServer (spec.ssh.publicKeys). A running server
accepts them within seconds, without a restart. All keys log in as the same
user and see the same files.

Without a flag, it lists the keys that can log in. devctl unshare removes keys.

` + exit.Help,
		Example: `  # List the keys that can log in
  devctl share trainer

  # Add a key from a file, or one that a colleague sent you
  devctl share trainer --key bob.pub
  devctl share trainer --key 'ssh-ed25519 AAAAC3Nza… bob@laptop'

  # Add the keys of a GitHub user
  devctl share trainer --github octocat

  # Add the keys of another user of this cluster (for admins)
  devctl share trainer --user bob@example.com`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Name = to.Namespace, args[0]
			if !options.named() {
				return list(ctx, to.Client, options, streams)
			}
			return add(ctx, to.Client, options, streams)
		}),
	}
	options.addTo(cmd)
	return cmd
}

// NewUndoCommand returns the command devctl unshare.
func NewUndoCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "unshare NAME [FINGERPRINT | COMMENT]...",
		Short: "Remove public keys from a DevServer",
		Long: `Remove public keys from a DevServer. Name each by its fingerprint or its
comment, as devctl share NAME lists them, or by the flag that added it.

A running server refuses a removed key within seconds and closes the sessions
that it opened. You cannot remove the last key, because no one could log in.

` + exit.Help,
		Example: `  # By its comment, or by its fingerprint
  devctl unshare trainer bob@laptop
  devctl unshare trainer SHA256:Ip1B0AkkexOquMBKGQ03ajEq5y0RJ2sh/ytpNpNNI/o

  # All keys of a GitHub user
  devctl unshare trainer --github octocat`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.DevServers(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			options.Words = args[1:]
			if len(options.Words) == 0 && !options.named() {
				return exit.With(exit.Usage, errors.New("name the keys to remove: a fingerprint, a comment, --key, --github or --user"))
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				options.Namespace, options.Name = to.Namespace, args[0]
				return remove(ctx, to.Client, options, streams)
			})
		},
	}
	options.addTo(cmd)
	return cmd
}

// addTo makes the flags that name keys known to a command.
func (o *Options) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	o.Keys.AddTo(flags)
	flags.Lookup("key").Usage = "public key: a `FILE`, or the key itself in quotes; may be repeated"
	flags.Lookup("github").Usage = "the public keys of that GitHub `USER`; may be repeated"
	flags.StringArrayVar(&o.Users, "user", nil, "the public keys of the DevServerUser with that `OWNER`, for admins; may be repeated")
}
