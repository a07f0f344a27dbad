package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
)

// forKubectl is what kubectl runs to complete "kubectl devserver".
const forKubectl = `#!/bin/sh
exec kubectl-devserver __complete "$@"
`

// completion adds cobra's command completion, with one more for kubectl, and
// proposals for the flags of all commands.
func completion(root *cobra.Command, flags *cluster.Flags, streams genericiooptions.IOStreams) {
	// They fail for a flag that is not there or has proposals already.
	_ = root.RegisterFlagCompletionFunc("context", complete.Contexts(flags))
	_ = root.RegisterFlagCompletionFunc("namespace", complete.Namespaces(flags))
	root.InitDefaultCompletionCmd("completion")
	all, _, err := root.Find([]string{"completion"})
	if err != nil || all == root {
		return
	}
	all.Example = `  # Bash, for this shell; zsh, fish and powershell likewise
  source <(devctl completion bash)

  # For all to come
  devctl completion bash > /etc/bash_completion.d/devctl

  # For "kubectl devserver", in a folder of PATH
  devctl completion kubectl > ~/.local/bin/kubectl_complete-devserver
  chmod +x ~/.local/bin/kubectl_complete-devserver`
	all.AddCommand(&cobra.Command{
		Use:   "kubectl",
		Short: "Generate the script with which kubectl completes kubectl devserver",
		Long: `Generate the script with which kubectl completes "kubectl devserver". It has to be
executable, in a folder of PATH, and called kubectl_complete-devserver; and
kubectl's own completion has to be there, see kubectl completion --help.`,
		Example: `  devctl completion kubectl > ~/.local/bin/kubectl_complete-devserver
  chmod +x ~/.local/bin/kubectl_complete-devserver`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(streams.Out, forKubectl)
			return err
		},
	})
}
