// Package users is the command devctl users, for admins: who the people are,
// and a kubeconfig for a new one.
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
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "users",
		Aliases: []string{"user"},
		Short:   "List the people who have DevServers, add one, and give them access",
		Long: `List the people who have DevServers, add one, and give them access to the
cluster. All of it is for admins.`,
		Example: `  # Who there is
  devctl users list

  # Somebody new: a namespace of their own, and a kubeconfig that works in it
  devctl users create alice --owner alice@example.com --key alice.pub
  devctl users kubeconfig alice`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(listCommand(flags, streams), createCommand(flags, streams), kubeconfigCommand(flags, streams))
	return cmd
}

func listCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var format output.Flags
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the people who have DevServers",
		Example: `  devctl users list

  # And what is in the way of those that are not ready
  devctl users list -o wide`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := format.Check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return list(ctx, to.Client, &format, streams)
			})
		},
	}
	format.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	return cmd
}

func createCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options CreateOptions
	cmd := &cobra.Command{
		Use:   "create USERNAME",
		Short: "Add a person, with a namespace of their own",
		Long: `Add a person, with a namespace of their own: dev-USERNAME. It waits until that is
there. What else can be set, such as a quota, is in docs/users.md: kubectl edit
devserveruser USERNAME.

The owner is the name by which the cluster knows the person, exactly: the name in
their certificate, or in their OpenID Connect token with its prefix.`,
		Example: `  devctl users create alice --owner alice@example.com --key alice.pub

  # Several computers, or those that GitHub knows
  devctl users create bob --owner bob --key laptop.pub --key desk.pub
  devctl users create octocat --owner octocat@example.com --github octocat`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.Owner == "" {
				return exit.With(exit.Usage, errors.New("say by which name the cluster knows the person: --owner alice@example.com"))
			}
			options.Username = args[0]
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return create(ctx, to.Client, options, streams)
			})
		},
	}
	cmd.Flags().StringVar(&options.Owner, "owner", "", "name by which the cluster knows the person")
	options.Keys.AddTo(cmd.Flags())
	cmd.Flags().Lookup("key").Usage = "`FILE` with a public key of theirs; may be repeated"
	cmd.Flags().Lookup("github").Usage = "take their public keys from that GitHub `USER`; may be repeated"
	cmd.Flags().DurationVar(&options.Timeout, "timeout", time.Minute, "how long to wait for the namespace")
	return cmd
}

func kubeconfigCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options KubeconfigOptions
	cmd := &cobra.Command{
		Use:   "kubeconfig USERNAME",
		Short: "Make a kubeconfig with which a person can work in their namespace",
		Long: `Make a kubeconfig with which a person can work in their namespace.

It holds a client certificate, signed by the cluster for the name in the person's
spec.owner: that is the name that owners of DevServers are compared with. (A
ServiceAccount could not have it.) The private key is made here and sent nowhere
else; the file is for its owner alone to read (0600). Give it to the person in a
way that you would give a password.

A certificate cannot be taken back before it expires. It gives no rights by itself:
those go when the DevServerUser is deleted.

A cluster whose people log in by OpenID Connect needs none of this, and some
clusters, such as EKS, sign no such certificates. There, give the person a
kubeconfig with your cluster's login (kubectl oidc-login, aws eks
update-kubeconfig, gcloud container clusters get-credentials), with the
namespace dev-USERNAME in its context; and let spec.owner be what "kubectl auth
whoami" says to them.`,
		Example: `  # Into alice.kubeconfig
  devctl users kubeconfig alice

  # Under the address by which people reach the cluster, for a month
  devctl users kubeconfig alice --server https://k8s.example.com:6443 --expires 720h --file alice.yaml`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.Users(flags),
		RunE: func(cmd *cobra.Command, args []string) error {
			if options.Expires < leastExpiry {
				return exit.With(exit.Usage, fmt.Errorf("--expires must be %s or more: the cluster signs nothing shorter", leastExpiry))
			}
			options.Username = args[0]
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return kubeconfig(ctx, to, options, streams)
			})
		},
	}
	cmd.Flags().StringVar(&options.File, "file", "", "`file` to write, or - for standard output (default USERNAME.kubeconfig)")
	cmd.Flags().StringVar(&options.Server, "server", "", "address of the API server for the person (default: that of your own kubeconfig)")
	cmd.Flags().DurationVar(&options.Expires, "expires", 365*24*time.Hour, "how long the certificate holds; the cluster may make it shorter")
	cmd.Flags().DurationVar(&options.Timeout, "timeout", 30*time.Second, "how long to wait for the cluster to sign")
	return cmd
}
