// Package cli is devctl. Each command is a package of its own: command.go has its
// flags and help, and the other files do the work.
package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/klog/v2"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/code"
	"devserver.io/devserver/internal/cli/config"
	"devserver.io/devserver/internal/cli/copy"
	"devserver.io/devserver/internal/cli/create"
	"devserver.io/devserver/internal/cli/delete"
	"devserver.io/devserver/internal/cli/describe"
	"devserver.io/devserver/internal/cli/doctor"
	"devserver.io/devserver/internal/cli/events"
	"devserver.io/devserver/internal/cli/extend"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/homes"
	"devserver.io/devserver/internal/cli/keep"
	"devserver.io/devserver/internal/cli/list"
	"devserver.io/devserver/internal/cli/logs"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/portforward"
	"devserver.io/devserver/internal/cli/resize"
	"devserver.io/devserver/internal/cli/restart"
	"devserver.io/devserver/internal/cli/setimage"
	"devserver.io/devserver/internal/cli/share"
	"devserver.io/devserver/internal/cli/ssh"
	"devserver.io/devserver/internal/cli/sshconfig"
	"devserver.io/devserver/internal/cli/sshproxy"
	"devserver.io/devserver/internal/cli/start"
	"devserver.io/devserver/internal/cli/stop"
	"devserver.io/devserver/internal/cli/suggest"
	"devserver.io/devserver/internal/cli/users"
	versioncmd "devserver.io/devserver/internal/cli/version"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/cli/why"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/version"
)

// Main runs devctl with the process's arguments and streams and returns its
// exit code.
func Main(args []string) int {
	// Libraries log to klog what users of a command do not need to read.
	klog.SetLogger(logr.Discard())
	name := displayName(args[0])
	return run(context.Background(), name, args[1:], genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr})
}

// run runs a command and returns its exit code. name is what the user typed to run it.
func run(ctx context.Context, name string, args []string, streams genericiooptions.IOStreams) int {
	streams = output.Guard(streams)
	root := NewCommand(name, streams)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		// The cluster's message may have several lines.
		output.Println(streams.ErrOut, "devctl:", printable.Prose(err.Error(), 0))
	}
	return exit.Code(err)
}

// displayName is what the user typed: for "kubectl devserver", kubectl runs
// kubectl-devserver.
func displayName(program string) string {
	base := strings.TrimSuffix(filepath.Base(program), ".exe")
	if plugin, ok := strings.CutPrefix(base, "kubectl-"); ok {
		return "kubectl " + plugin
	}
	return "devctl"
}

// constructor makes a command.
type constructor func(*cluster.Flags, genericiooptions.IOStreams) *cobra.Command

// groups are the commands, in the order in which help shows their groups. Those
// without a title are about devctl itself.
var groups = []struct {
	title    string
	commands []constructor
}{
	{"Servers:", []constructor{
		create.NewCommand, delete.NewCommand, extend.NewCommand, flavors.NewCommand, homes.NewCommand, keep.NewCommand,
		list.NewCommand, resize.NewCommand, restart.NewCommand, setimage.NewCommand, start.NewCommand, stop.NewCommand,
	}},
	{"Connect:", []constructor{
		code.NewCommand, copy.NewCommand, portforward.NewCommand, share.NewCommand, ssh.NewCommand,
		sshconfig.NewCommand, sshproxy.NewCommand, share.NewUndoCommand,
	}},
	{"Understand:", []constructor{
		describe.NewCommand, doctor.NewCommand, events.NewCommand, logs.NewCommand, wait.NewCommand, why.NewCommand,
	}},
	{"Admin:", []constructor{users.NewCommand}},
	{"", []constructor{config.NewCommand, versioncmd.NewCommand}},
}

// NewCommand returns the root command. name is what users type to run it.
func NewCommand(name string, streams genericiooptions.IOStreams) *cobra.Command {
	streams = output.Guard(streams)
	flags := cluster.NewFlags()
	root := &cobra.Command{
		Use:   "devctl",
		Short: "SSH development servers on Kubernetes",
		Long: `SSH development servers on Kubernetes.

` + exit.Help,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: name},
		Version:       version.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetVersionTemplate("devctl {{.Version}}\n") // as devctl version prints it
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(streams.ErrOut)
	flags.AddTo(root.PersistentFlags())
	for _, g := range groups {
		if g.title != "" {
			root.AddGroup(&cobra.Group{ID: g.title, Title: g.title})
		}
		for _, command := range g.commands {
			cmd := command(flags, streams)
			cmd.GroupID = g.title
			root.AddCommand(cmd)
		}
	}
	configure(root)
	completion(root, flags, streams)
	root.SetFlagErrorFunc(usage)
	root.SetHelpFunc(printHelp)
	finish(root, name, flags)
	return root
}

// finish adds to a command, and to those below it, what all commands have.
func finish(cmd *cobra.Command, name string, flags *cluster.Flags) {
	cmd.Long = strings.ReplaceAll(cmd.Long, "devctl ", name+" ")
	cmd.Example = strings.ReplaceAll(cmd.Example, "devctl", name)
	if cmd.HasSubCommands() {
		cmd.Args = subcommand
	}
	cmd.Args = checked(cmd.Args)
	cmd.PreRunE = exclusive(cmd.PreRunE)
	qualify(cmd, flags)
	for _, below := range cmd.Commands() {
		finish(below, name, flags)
	}
}

// subcommand refuses the arguments of a command that only holds others, with a
// suggestion if one looks like the name of one of them.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	unknown := fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())
	if similar := suggest.Similar(args[0], names); similar != "" {
		return fmt.Errorf("%w (did you mean %s?)", unknown, similar)
	}
	return unknown
}

// checked gives wrong arguments the exit code of wrong usage.
func checked(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(cmd, err)
		}
		return nil
	}
}

// together finds the flags in cobra's message about flags that exclude each other.
var together = regexp.MustCompile(`\[([^\]]+)\] were all set$`)

// exclusive refuses flags that exclude each other as wrong usage, before anything else
// is checked.
func exclusive(next func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := cmd.ValidateFlagGroups(); err != nil {
			if set := together.FindStringSubmatch(err.Error()); set != nil {
				err = fmt.Errorf("--%s cannot be used together", strings.Join(strings.Fields(set[1]), " and --"))
			}
			return usage(cmd, err)
		}
		if next == nil {
			return nil
		}
		return next(cmd, args)
	}
}

func usage(cmd *cobra.Command, err error) error {
	return exit.With(exit.Usage, fmt.Errorf("%w: see %s --help", err, cmd.CommandPath()))
}
