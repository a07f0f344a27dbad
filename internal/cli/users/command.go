// Package users is the command devctl users, with which admins add and remove the
// users of DevServers and give them access to the cluster.
package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "users",
		Aliases: []string{"user"},
		Short:   "List, add and remove users, and give them access",
		Long: `List, add and remove the users of DevServers, and give them access to the
cluster. For admins.`,
		Example: `  # All users
  devctl users list

  # A new user: a namespace of their own, and a kubeconfig for it
  devctl users create alice --owner alice@example.com --key alice.pub
  devctl users kubeconfig alice

  # A user who leaves
  devctl users delete alice`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listCommand(flags, streams), createCommand(flags, streams), kubeconfigCommand(flags, streams), deleteCommand(flags, streams))
	return cmd
}

func listCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var format output.Flags
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the users",
		Example: `  devctl users list

  # With the reason why one is not ready
  devctl users list -o wide`,
		Args:    cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error { return format.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, _ []string) error {
			return list(ctx, to.Client, &format, streams)
		}),
	}
	format.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}

func createCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options CreateOptions
	var quota map[string]string
	cmd := &cobra.Command{
		Use:   "create USERNAME",
		Short: "Add a user, with a namespace of their own",
		Long: `Add a user, with a namespace of their own, dev-USERNAME, and wait until it
exists. docs/users.md describes the other fields of a DevServerUser. To set
them, run kubectl edit devserveruser USERNAME.

The owner is exactly the name by which the cluster knows the user: the name in
their certificate, or the name in their OpenID Connect token with its prefix.

With a quota for CPU or memory, every container must set it: use flavors that
do, or set a limitRange.`,
		Example: `  devctl users create alice --owner alice@example.com --key alice.pub

  # With limits for everything in the namespace together
  devctl users create alice --owner alice@example.com --key alice.pub \
    --quota cpu=8,memory=32Gi,requests.nvidia.com/gpu=2

  # The keys of two computers, or those at GitHub
  devctl users create bob --owner bob --key laptop.pub --key desk.pub
  devctl users create octocat --owner octocat@example.com --github octocat`,
		Args: cobra.ExactArgs(1),
		PreRunE: func(*cobra.Command, []string) (err error) {
			if options.Owner == "" {
				return exit.With(exit.Usage, errors.New("give the name by which the cluster knows the user: --owner alice@example.com"))
			}
			options.Quota, err = parseQuota(quota)
			return exit.With(exit.Usage, err)
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Username = args[0]
			return create(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().StringVar(&options.Owner, "owner", "", "name by which the cluster knows the user")
	options.Keys.AddTo(cmd.Flags())
	cmd.Flags().Lookup("key").Usage = "`FILE` with a public key of theirs; may be repeated"
	cmd.Flags().Lookup("github").Usage = "take their public keys from that GitHub `USER`; may be repeated"
	cmd.Flags().StringToStringVar(&quota, "quota", nil, "limits of a ResourceQuota in the namespace, as `RESOURCE=QUANTITY,...`")
	cmd.Flags().DurationVar(&options.Timeout, "timeout", time.Minute, "how long to wait for the namespace")
	return cmd
}

func kubeconfigCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options KubeconfigOptions
	cmd := &cobra.Command{
		Use:   "kubeconfig USERNAME",
		Short: "Create a kubeconfig for a user, for work in their namespace",
		Long: `Create a kubeconfig for a user, for work in their namespace.

It contains a client certificate, which the cluster signs for the name in the
user's spec.owner. DevServers with this owner belong to the user. (A
ServiceAccount cannot have such a name.) The private key is created on this
machine, and is stored only in the file, which only you can read (0600). Send
the file as you would send a password.

A certificate cannot be revoked before it expires. By itself it gives no
rights. The user's rights end when you delete the DevServerUser.

You do not need this if your users log in with OpenID Connect, and some
clusters, such as EKS, do not sign such certificates. In these clusters, give
the user a kubeconfig with your cluster's login (kubectl oidc-login, aws eks
update-kubeconfig, gcloud container clusters get-credentials) and the namespace
dev-USERNAME in its context, and set spec.owner to what "kubectl auth whoami"
prints for them.`,
		Example: `  # Write alice.kubeconfig
  devctl users kubeconfig alice

  # With the address by which users reach the cluster, for a month
  devctl users kubeconfig alice --server https://k8s.example.com:6443 \
    --expires 720h --file alice.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Users(flags),
		PreRunE: func(*cobra.Command, []string) error {
			if options.Expires < leastExpiry {
				return exit.With(exit.Usage, fmt.Errorf("--expires must be at least %s: the cluster signs nothing shorter", leastExpiry))
			}
			return nil
		},
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Username = args[0]
			return kubeconfig(ctx, to, options, streams)
		}),
	}
	cmd.Flags().StringVar(&options.File, "file", "", "`file` to write, or - for standard output (default USERNAME.kubeconfig)")
	cmd.Flags().StringVar(&options.Server, "server", "", "address of the API server for the user (default: the one in your kubeconfig)")
	cmd.Flags().DurationVar(&options.Expires, "expires", 365*24*time.Hour, "how long the certificate is valid; the cluster may shorten it")
	cmd.Flags().DurationVar(&options.Timeout, "timeout", 30*time.Second, "how long to wait for the cluster to sign")
	return cmd
}

func deleteCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options DeleteOptions
	cmd := &cobra.Command{
		Use:     "delete USERNAME",
		Aliases: []string{"rm"},
		Short:   "Delete a user, and keep their servers and home directories",
		Long: `Delete a user, and keep their servers and home directories.

Within seconds, servers refuse the keys in the DevServerUser, sessions that
these keys opened are closed, and the user's rights in their namespace are
removed. The namespace stays, with all home directories and with the
DevServers, which keep running. A key in the spec of a DevServer still opens
that server: to remove it, run devctl unshare.

On a terminal it asks first. Elsewhere it requires --yes.`,
		Example: `  devctl users delete alice

  # In a script
  devctl users delete alice --yes`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Users(flags),
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Username = args[0]
			return remove(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask")
	return cmd
}
