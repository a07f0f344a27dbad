// Package create is the command devctl create: it asks for a DevServer, from
// flags or by a form on the terminal, and waits for it.
package create

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "create [NAME]",
		Short: "Create a DevServer, and wait until one can log in",
		Long: `Create a DevServer, and wait until one can log in.

On a terminal a form asks for what is missing: the name, and the flavor with what
fits now. Nothing is written before its end; Esc leaves it. Elsewhere nothing is
asked: a server without --flavor gets the cluster's default one.

Who may log in: the keys that --key and --github name, else those of your SSH
agent and the usual ones in ~/.ssh. Only public keys are read. The owner is you,
by the name that the cluster knows you by. What devctl config sets need not be
said.

The same command once more changes nothing. If a server of that name is there
and differs, it says in what, and how to change it.

It waits on a terminal, elsewhere with --wait. Ctrl-C ends the wait and not the
server.

` + exit.Help,
		Example: `  # Be asked for the rest
  devctl create

  # With a flavor, a home of 100Gi, and the team's data for reading
  devctl create trainer --flavor gpu-large --home-size 100Gi -v datasets:/data:ro

  # In a script: with the keys of a GitHub user, for at most two days
  devctl create trainer --flavor gpu-large --github octocat --ttl 2d --wait

  # Suspended after an hour without work, in an image of one's own
  devctl create trainer --image registry.example.com/team/train:v3 --idle 1h

  # The YAML of it, for git; nothing is created
  devctl create trainer --flavor gpu-large --dry-run -o yaml`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				options.Waiting.Name = args[0]
			}
			options.Waiting.ByDefault(cmd, &options.Wait, streams)
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
	f.StringVar(&o.Flavor, "flavor", "", "size of the server, see devctl flavors (default: the cluster's default)")
	f.StringVar(&o.Image, "image", "", "container `IMAGE` (default: the flavor's)")
	f.StringVar(&o.HomeSize, "home-size", "", "`SIZE` of the home directory, which outlives the server (default 10Gi, within the flavor's bounds)")
	f.StringVar(&o.Shared, "shared", "", "mount this `CLAIM` at /shared")
	f.StringArrayVarP(&o.Volumes, "volume", "v", nil, "mount a claim, `CLAIM:/PATH[:ro]`; may be repeated")
	f.StringArrayVar(&o.Env, "env", nil, "environment variable `NAME=VALUE`; may be repeated")
	f.StringVar(&o.TTL, "ttl", "", "`TIME` after which it stops, whatever it does: 8h or 2d (default: the flavor's)")
	f.StringVar(&o.Idle, "idle", "", "`TIME` without work after which it is suspended: 1h (default: the flavor's)")
	f.StringVar(&o.Owner, "owner", "", "whom it belongs to (default: you)")
	o.Keys.AddTo(f)
	f.BoolVar(&o.Wait, "wait", false, "wait until one can log in (default: on a terminal)")
	f.BoolVar(&o.DryRun, "dry-run", false, "have it checked by the cluster, and create nothing")
	o.Waiting.AddTo(f)
	o.Output.AddTo(cmd, text, output.Name, output.JSON, output.YAML)
}

// complementBy lets shells propose names from the cluster.
func complementBy(cmd *cobra.Command, flags *cluster.Flags) {
	for flag, propose := range map[string]cobra.CompletionFunc{
		"flavor":     complete.Flavors(flags),
		"shared":     complete.Claims(flags),
		"volume":     complete.Volumes(flags),
		"image":      cobra.NoFileCompletions,
		"home-size":  cobra.FixedCompletions([]string{"10Gi", "50Gi", "100Gi", "500Gi"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder),
		"env":        cobra.NoFileCompletions,
		"ttl":        cobra.NoFileCompletions,
		"idle":       cobra.NoFileCompletions,
		"owner":      cobra.NoFileCompletions,
		"github":     cobra.NoFileCompletions,
		"github-url": cobra.NoFileCompletions,
	} {
		_ = cmd.RegisterFlagCompletionFunc(flag, propose) // It fails only for flags that are not there.
	}
	_ = cmd.MarkFlagFilename("key", "pub") // likewise
}
