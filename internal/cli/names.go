package cli

import (
	"regexp"

	"github.com/spf13/cobra"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/exit"
)

// takesName matches the usage line of a command whose first argument is the name
// of a DevServer; several is "..." if all arguments are.
var takesName = regexp.MustCompile(`^\S+ (?:\[flags\] )?\[?(?:\[USER@\])?NAME\]?(?P<several>\.\.\.)?(?: |$)`)

// qualify makes a command understand NAME.NAMESPACE wherever its usage line says
// NAME: the namespace becomes that of the command, and the command sees NAME.
func qualify(cmd *cobra.Command, flags *cluster.Flags) {
	usage := takesName.FindStringSubmatch(cmd.Use)
	if usage == nil {
		return
	}
	several, run := usage[takesName.SubexpIndex("several")] != "", cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		names := args[:min(len(args), 1)]
		if several {
			names = args
		}
		unqualified, err := flags.UseNames(names...)
		if err != nil {
			return exit.With(exit.Usage, err)
		}
		return run(cmd, append(unqualified, args[len(names):]...))
	}
}
