package agent

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/keep"
)

// keepDirName is the folder of package keep in the runtime folder.
const keepDirName = "keep"

func runKeep(args []string, stderr io.Writer) (exitCode int, err error) {
	dir := os.Getenv(environ.KeepVariable)
	if dir == "" {
		dir = filepath.Join(defaultRuntimeDir, keepDirName)
	}
	wish := keep.Wish{Dir: dir}
	flags := flag.NewFlagSet("keep", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&wish.For, "for", 0, "how long at most, as in 6h or 90m; without it, as long as the command runs")
	flags.StringVar(&wish.Reason, "reason", "", "what for, for those who wonder why the box does not sleep")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: devserver-agent keep [--for DURATION] [--reason TEXT] -- COMMAND [ARGUMENT...]\n"+
			"       devserver-agent keep --for DURATION [--reason TEXT]\n\n"+
			"Runs a command, and lets the box count as at work until it ends.\n"+
			"Without a command, the box counts as at work for a time.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	wish.Command = flags.Args()
	return wish.Grant(os.Stdout)
}
