// Package list is the command devctl list.
package list

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	var options Options
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls", "get"},
		Short:   "List DevServers",
		Example: `  # Those of the current namespace
  devctl list

  # Those of all namespaces, with node, ssh command and cause
  devctl list -A -o wide

  # Their names, for scripts
  devctl list -o name`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show, err := printerFor(options)
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			to, err := flags.Connect()
			if err != nil {
				return err
			}
			options.Namespace = to.Namespace
			return Run(cmd.Context(), to.Client, options, show, streams)
		},
	}
	cmd.Flags().BoolVarP(&options.All, "all-namespaces", "A", false, "list the DevServers of all namespaces")
	cmd.Flags().StringVarP(&options.Output, "output", "o", "table", fmt.Sprintf("how to print them, one of %v", formats))
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}
