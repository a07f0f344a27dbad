package cli

import (
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/output"
)

// forKubectl is the script that kubectl runs to complete "kubectl devserver".
const forKubectl = `#!/bin/sh
exec kubectl-devserver __complete "$@"
`

// completion adds cobra's completion command, with one more shell script for
// kubectl, and completes the flags that all commands have.
func completion(root *cobra.Command, flags *cluster.Flags, streams genericiooptions.IOStreams) {
	// They fail only for a flag that does not exist or is completed already.
	_ = root.RegisterFlagCompletionFunc("context", complete.Contexts(flags))
	_ = root.RegisterFlagCompletionFunc("namespace", complete.Namespaces(flags))
	root.InitDefaultCompletionCmd("completion")
	all, _, err := root.Find([]string{"completion"})
	if err != nil || all == root {
		return
	}
	all.Example = `  # In this shell; also for zsh, fish and powershell
  source <(devctl completion bash)

  # In all new shells
  devctl completion bash > /etc/bash_completion.d/devctl

  # For "kubectl devserver", in a directory of PATH
  devctl completion kubectl > ~/.local/bin/kubectl_complete-devserver
  chmod +x ~/.local/bin/kubectl_complete-devserver`
	all.AddCommand(&cobra.Command{
		Use:   "kubectl",
		Short: "Generate the completion script for kubectl devserver",
		Long: `Generate the script with which kubectl completes "kubectl devserver". Name it
kubectl_complete-devserver, make it executable, and put it in a directory of
PATH. It requires kubectl's own completion: see kubectl completion --help.`,
		Example: `  devctl completion kubectl > ~/.local/bin/kubectl_complete-devserver
  chmod +x ~/.local/bin/kubectl_complete-devserver`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(*cobra.Command, []string) error {
			_, err := output.Lines(streams.Out, forKubectl)
			return err
		},
	})
}
