// Package code is the command devctl code: it opens an editor on a server.
package code

import (
	"context"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:   "code NAME [PATH]",
		Short: "Open VS Code or Cursor on a DevServer",
		Long: `Open VS Code or Cursor on a DevServer.

It wakes the DevServer as devctl ssh does, adds it to the configuration of ssh
as devctl ssh-config does, and opens its home directory, or PATH. The editor
needs the extension Remote - SSH.

After you run devctl ssh-config, JetBrains Gateway and other editors find the
DevServer under the same name.

` + exit.Help,
		Example: `  # The home directory, in VS Code, or in Cursor if that is installed
  devctl code trainer

  # A project, in Cursor
  devctl code -n team-a trainer projects/llm --editor cursor`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: complete.DevServers(flags),
		PreRunE:           func(*cobra.Command, []string) error { return options.Complete(streams) },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			folder := agentapi.Home
			if len(args) > 1 {
				folder = args[1]
			}
			return Run(ctx, to, reach.Parse(args[0], to.Namespace), folder, options, streams)
		}),
	}
	options.AddTo(cmd)
	cmd.Flags().StringVar(&options.Editor, "editor", "", "program to run, such as code or cursor (default: as set with devctl config, else the first that is installed)")
	_ = cmd.RegisterFlagCompletionFunc("editor", cobra.FixedCompletions(editors, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "change ~/.ssh/config without asking")
	return cmd
}
