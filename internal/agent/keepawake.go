package agent

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"devserver.io/devserver/internal/agent/environ"
	"devserver.io/devserver/internal/agent/keepawake"
)

// keepAwakeDirName is the folder of package keepawake in the runtime folder.
const keepAwakeDirName = "keep"

func runKeepAwake(args []string, stderr io.Writer) (exitCode int, err error) {
	dir := os.Getenv(environ.KeepAwakeVariable)
	if dir == "" {
		dir = filepath.Join(defaultRuntimeDir, keepAwakeDirName)
	}
	request := keepawake.Request{Dir: dir}
	flags := flag.NewFlagSet("keep", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&request.For, "for", 0, "how long at most, such as 6h or 90m; as long as the command runs if not set")
	flags.StringVar(&request.Reason, "reason", "", "text to show to those who ask why the server is kept awake")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: devserver-agent keep [--for DURATION] [--reason TEXT] -- COMMAND [ARGUMENT...]\n"+
			"       devserver-agent keep --for DURATION [--reason TEXT]\n\n"+
			"Runs a command, and keeps the server awake until it ends.\n"+
			"Without a command, keeps the server awake for a time.\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	request.Command = flags.Args()
	return request.Run(os.Stdout)
}
