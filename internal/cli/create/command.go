// Package create is the command devctl create: it creates a DevServer, from flags
// or from a form on the terminal, and waits until it is running.
package create

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a DevServer, and wait until you can log in",
		Long: `Create a DevServer, and wait until you can log in.

On a terminal, a form asks for the name, the flavor and other settings that you
leave out, and shows which flavors have room. The server is created when you
finish the form; Esc cancels it. Without a terminal there is no form: a server
without --flavor gets the default flavor.

The server accepts the keys of --key and --github, or else those of your SSH
agent and the usual ones in ~/.ssh. Only public keys are read. You become the
owner, with the user name that the cluster knows. You can leave out flags that
you set with devctl config.

The command refuses a server that could not start: its flavor, a claim or the
StorageClass does not exist, its image reference is malformed, the flavor does
not allow a value, or even an empty node could not run the flavor. If the nodes
are only full now, the command creates the server, which starts when there is
room.

Running the same command again changes nothing. If a server with that name
exists but differs, the command lists the differences and how to change them.

On a terminal, the command waits until you can log in, and then shows the
devctl ssh command; elsewhere it waits only with --wait. Ctrl-C stops waiting,
and the server still starts. If the output goes to a file or pipe, --wait
prints only the plain ssh command to it, and -o name|json|yaml prints the
object.

` + exit.Help,
		Example: `  # Answer a form
  devctl create

  # With a flavor, a home of 100Gi, and the team's data, mounted read-only
  devctl create trainer --flavor gpu-large --home-size 100Gi -v datasets:/data:ro

  # In a script: with the keys of a GitHub user, for at most two days
  devctl create trainer --flavor gpu-large --github octocat --ttl 2d --wait

  # With your own image, suspended after an hour without activity
  devctl create trainer --image registry.example.com/team/train:v3 --idle 1h

  # Print the YAML, for git, and create nothing
  devctl create trainer --flavor gpu-large --dry-run -o yaml`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		PreRunE:           func(cmd *cobra.Command, _ []string) error { return options.Waiting.Complete(cmd, streams) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				options.Waiting.Name = args[0]
			}
			if err := options.check(); err != nil {
				return err
			}
			return flags.Run(cmd, func(ctx context.Context, to *cluster.Cluster) error {
				return Run(ctx, to, options, streams)
			})
		},
	}
	options.addTo(cmd)
	complementBy(cmd, flags)
	return cmd
}

func (o *Options) addTo(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Flavor, "flavor", "", "flavor of the server, see devctl flavors (default: the cluster's default)")
	f.StringVar(&o.Image, "image", "", "container `IMAGE` (default: the flavor's)")
	f.StringVar(&o.HomeSize, "home-size", "", "`SIZE` of the home directory, which outlives the server (default 10Gi, within the flavor's bounds)")
	f.StringVar(&o.StorageClass, "storage-class", "", "StorageClass `NAME` of the home directory's volume (default: the cluster's default)")
	f.StringVar(&o.Shared, "shared", "", "mount this `CLAIM` at /shared")
	f.StringArrayVarP(&o.Volumes, "volume", "v", nil, "mount a claim, `CLAIM:/PATH[:ro]`; may be repeated")
	f.StringArrayVar(&o.Env, "env", nil, "environment variable `NAME=VALUE`; may be repeated")
	f.StringVar(&o.TTL, "ttl", "", "`TIME` after which the server stops, even if it is active: 8h or 2d (default: the flavor's)")
	f.StringVar(&o.Idle, "idle", "", "`TIME` without activity after which the server is suspended: 1h (default: the flavor's)")
	f.StringVar(&o.Owner, "owner", "", "owner of the server (default: you)")
	o.Keys.AddTo(f)
	o.Waiting.AddWithWait(f, "wait until you can log in (default: on a terminal)")
	f.BoolVar(&o.DryRun, "dry-run", false, "have the cluster check the server, and create nothing")
	f.BoolVar(&o.AnyCapacity, "ignore-capacity", false, "accept a flavor that no node can run now, because nodes are added on demand")
	o.Output.AddTo(cmd, text, output.Name, output.JSON, output.YAML)
}

// complementBy lets shells complete names from the cluster.
func complementBy(cmd *cobra.Command, flags *cluster.Flags) {
	for flag, propose := range map[string]cobra.CompletionFunc{
		"flavor":        complete.Flavors(flags),
		"shared":        complete.Claims(flags),
		"volume":        complete.Volumes(flags),
		"image":         cobra.NoFileCompletions,
		"storage-class": complete.StorageClasses(flags),
		"home-size":     cobra.FixedCompletions([]string{"10Gi", "50Gi", "100Gi", "500Gi"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder),
		"env":           cobra.NoFileCompletions,
		"ttl":           cobra.NoFileCompletions,
		"idle":          cobra.NoFileCompletions,
		"owner":         cobra.NoFileCompletions,
		"github":        cobra.NoFileCompletions,
		"github-url":    cobra.NoFileCompletions,
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, propose) // It fails only for a flag that does not exist.
	}
	_ = cmd.MarkFlagFilename("key", "pub") // likewise
}
