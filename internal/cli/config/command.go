package config

import (
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/output"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Set once what commands would else be told each time",
		Long: `Set once what devctl create and devctl code would else be told each time. A flag
still wins.

The file is ~/.config/devserver/config.yaml, or devserver/config.yaml in
XDG_CONFIG_HOME. Which cluster and namespace is meant is not in it: that is the
kubeconfig's, see kubectl config set-context.`,
		Example: `  # What can be set, and what is
  devctl config view

  # New servers are of the flavor gpu-small, and open with the keys at GitHub
  devctl config set flavor gpu-small
  devctl config set github octocat

  # No longer
  devctl config unset flavor`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(viewCommand(streams), getCommand(streams), setCommand(flags), unsetCommand(), pathCommand(streams))
	return cmd
}

func viewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var flags output.Flags
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show what can be set, and what is",
		Example: `  devctl config view

  # For a script
  devctl config view -o json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := flags.Check(); err != nil {
				return err
			}
			c, err := Load()
			if err != nil {
				return err
			}
			return view(c, &flags, streams)
		},
	}
	flags.AddTo(cmd, output.Table, output.JSON, output.YAML)
	return cmd
}

func view(c Config, flags *output.Flags, streams genericiooptions.IOStreams) error {
	if !flags.ForPeople() {
		return flags.PrintValue(c, streams.Out)
	}
	t := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Setting", Type: "string"}, {Name: "Value", Type: "string"}, {Name: "Meaning", Type: "string"},
	}}
	for _, s := range settings {
		t.Rows = append(t.Rows, metav1.TableRow{
			Cells:  []any{s.name, output.OrNone(*s.field(&c)), s.meaning},
			Object: runtime.RawExtension{Object: &metav1.PartialObjectMetadata{}},
		})
	}
	return flags.PrintTable(t, streams.Out)
}

func getCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:               "get SETTING",
		Short:             "Print what is set",
		Long:              "Print what is set. The exit code is 1 where nothing is.",
		Example:           `  devctl config get flavor`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: first(Names()),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := find(args[0])
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			c, err := Load()
			if err != nil {
				return err
			}
			value := *s.field(&c)
			if value == "" {
				return fmt.Errorf("%s is not set: to set it: devctl config set %s VALUE", s.name, s.name)
			}
			_, err = fmt.Fprintln(streams.Out, value)
			return err
		},
	}
}

func setCommand(flags *cluster.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "set SETTING VALUE",
		Short: "Set something",
		Example: `  devctl config set homeSize 100Gi
  devctl config set key ~/.ssh/id_ed25519.pub`,
		Args: cobra.ExactArgs(2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
			switch {
			case len(args) == 0:
				return Names(), cobra.ShellCompDirectiveNoFileComp
			case len(args) == 1 && args[0] == "flavor":
				return complete.Flavors(flags)(cmd, args, begun)
			case len(args) == 1 && args[0] == "key":
				return nil, cobra.ShellCompDirectiveDefault
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := find(args[0])
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			return change(func(f *file) error { return exit.With(exit.Usage, f.set(s, args[1])) })
		},
	}
}

func unsetCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "unset SETTING",
		Short:             "Take a setting out",
		Example:           `  devctl config unset homeSize`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: first(Names()),
		RunE: func(_ *cobra.Command, args []string) error {
			return change(func(f *file) error {
				_, unknown := find(args[0])
				if was := f.unset(args[0]); !was && unknown != nil {
					return exit.With(exit.Usage, unknown)
				}
				return nil
			})
		},
	}
}

func pathCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:     "path",
		Short:   "Print where the file is",
		Example: `  $EDITOR "$(devctl config path)"`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path, err := Path()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(streams.Out, path)
			return err
		},
	}
}

// change changes the file, whatever else is in it: what is wrong there may be
// what is being taken out.
func change(do func(*file) error) error {
	path, err := Path()
	if err != nil {
		return err
	}
	f, err := readFile(path)
	if err != nil {
		return err
	}
	if err := do(f); err != nil {
		return err
	}
	return f.write()
}

// first proposes words for the first argument.
func first(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}
