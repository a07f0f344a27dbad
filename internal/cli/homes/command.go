// Package homes is the command devctl homes: it lists home directories, also those
// whose DevServer was deleted, and deletes them.
package homes

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
		Use:     "homes",
		Aliases: []string{"home"},
		Short:   "List home directories, including those without a DevServer",
		Long: `List home directories, including those without a DevServer.

Deleting a DevServer keeps its home directory, a PersistentVolumeClaim. USED BY
is the DevServer that uses it now, and LAST SERVER is the one that it was
created for. A new DevServer with the same name, namespace and owner as the
last server uses it again.

` + exit.Help,
		Example: `  # Home directories in the current namespace
  devctl homes

  # Yours
  devctl homes --mine

  # Delete one that no server uses
  devctl homes delete home-trainer-0`,
		PreRunE: func(*cobra.Command, []string) error { return options.Check() },
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, _ []string) error {
			options.Namespace = to.Namespace
			return Run(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Namespaces, "all-namespaces", "A", false, "list the home directories of all namespaces")
	cmd.Flags().BoolVar(&options.Mine, "mine", false, "list only those that you own, by the name that the cluster knows")
	options.AddTo(cmd, output.Table, output.Wide, output.JSON, output.YAML, output.Name)
	cmd.AddCommand(deleteCommand(flags, streams))
	return cmd
}

func deleteCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options DeleteOptions
	cmd := &cobra.Command{
		Use:     "delete NAME...",
		Aliases: []string{"rm"},
		Short:   "Delete home directories that no DevServer uses",
		Long: `Delete home directories that no DevServer uses, with all files in them.

On a terminal the command asks first; elsewhere it requires --yes. If one of
several cannot be deleted, none is. To delete a DevServer together with its
home directory, use devctl delete NAME --home.

` + exit.Help,
		Example: `  # Delete one, after a question
  devctl homes delete home-trainer-0

  # In a script
  devctl homes delete home-trainer-0 --yes`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: complete.Homes(flags),
		RunE: flags.RunE(func(ctx context.Context, to *cluster.Cluster, args []string) error {
			options.Namespace, options.Names = to.Namespace, args
			return Delete(ctx, to.Client, options, streams)
		}),
	}
	cmd.Flags().BoolVarP(&options.Yes, "yes", "y", false, "do not ask for confirmation")
	return cmd
}
