package config

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/complete"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// NewCommand returns the command.
func NewCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Set defaults of devctl create and devctl code",
		Long: `Set defaults of flags of devctl create and devctl code. A flag on the command
line takes precedence.

The file is ~/.config/devserver/config.yaml, or devserver/config.yaml in
XDG_CONFIG_HOME. The cluster and the namespace are not in it, but in the
kubeconfig: see kubectl config set-context.`,
		Example: `  # All settings and their values
  devctl config view

  # New servers get the flavor gpu-small and accept the keys of a GitHub user
  devctl config set flavor gpu-small
  devctl config set github octocat

  # Remove a setting
  devctl config unset flavor`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(viewCommand(streams), getCommand(streams), setCommand(flags, streams), unsetCommand(), pathCommand(streams))
	return cmd
}

func viewCommand(streams genericiooptions.IOStreams) *cobra.Command {
	var flags output.Flags
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show all settings and their values",
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
	t := output.NewTable([]string{"Setting", "Value", "Meaning"})
	for _, s := range settings {
		output.AddRow(t, &metav1.PartialObjectMetadata{}, s.name, output.OrNone(*s.field(&c)), s.meaning)
	}
	return flags.PrintTable(t, streams.Out)
}

func getCommand(streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:               "get SETTING",
		Short:             "Print the value of a setting",
		Long:              "Print the value of a setting. The exit code is 1 if it is not set.",
		Example:           `  devctl config get flavor`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.First(cobra.FixedCompletions(Names(), cobra.ShellCompDirectiveNoFileComp)),
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
			_, err = output.Println(streams.Out, value)
			return err
		},
	}
}

func setCommand(flags *cluster.Flags, streams genericiooptions.IOStreams) *cobra.Command {
	return &cobra.Command{
		Use:   "set SETTING VALUE",
		Short: "Set a setting",
		Long: `Set a setting.

The command refuses values that new servers could not use: a malformed value, a
flavor that the cluster does not have, or a key file without a public key. If
the cluster does not answer, the flavor is set without a check.`,
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
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := find(args[0])
			if err != nil {
				return exit.With(exit.Usage, err)
			}
			if err := s.check(args[1]); err != nil {
				return exit.With(exit.Usage, fmt.Errorf("%s %w", s.name, err))
			}
			switch s.name {
			case "flavor":
				err = flavorExists(cmd.Context(), flags, args[1], streams)
			case "key":
				_, err = keys.Find(cmd.Context(), keys.Options{Files: args[1:]})
			}
			if err != nil {
				return err
			}
			return change(func(f *file) error { return f.set(s, args[1]) })
		},
	}
}

// patience is how long the cluster may take to list its flavors.
const patience = 10 * time.Second

// flavorExists refuses a flavor that the cluster does not have. If the cluster does
// not answer, or the user may not read flavors, it only reports that.
func flavorExists(ctx context.Context, flags *cluster.Flags, name string, streams genericiooptions.IOStreams) error {
	to, err := flags.Connect()
	if err == nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
		var list *devserverv1.DevServerFlavorList
		if list, err = flavors.List(ctx, to.Client); err == nil {
			if flavors.Find(list.Items, name) == nil {
				return exit.With(exit.Refused, errors.New(flavors.Unknown(name, list.Items)))
			}
			return nil
		}
	}
	output.Printf(streams.ErrOut, "Could not check whether flavor %s exists: %v\n", name, err)
	return nil
}

func unsetCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "unset SETTING",
		Short:             "Remove a setting",
		Example:           `  devctl config unset homeSize`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: complete.First(cobra.FixedCompletions(Names(), cobra.ShellCompDirectiveNoFileComp)),
		RunE: func(_ *cobra.Command, args []string) error {
			return change(func(f *file) error {
				_, unknown := find(args[0])
				if found := f.unset(args[0]); !found && unknown != nil {
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
		Short:   "Print the path of the file",
		Example: `  $EDITOR "$(devctl config path)"`,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			path, err := Path()
			if err != nil {
				return err
			}
			_, err = output.Println(streams.Out, path)
			return err
		},
	}
}

// change changes the file without checking the rest of it: the change may remove
// what is wrong there.
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
