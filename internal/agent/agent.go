// Package agent is the program that makes a server of any image. Its verbs are the
// processes of a server: prepare is the init container, init is PID 1 of the main
// container, and serve is the SSH server in a container of its own. Init starts the
// processes of sessions for serve, among them sftp-server for each file transfer. Users
// call one verb themselves: keep.
package agent

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"devserver.io/devserver/internal/version"
)

// verbs are the verbs of the program, in the order of the usage message.
var verbs = []struct {
	name, does string
	run        func(args []string, stderr io.Writer) (exitCode int, err error)
}{
	{"prepare", "prepare a server; run by the init container", runPrepare},
	{"init", "start and watch the processes of a server; PID 1 of the main container", runInit},
	{"serve", "serve SSH; the main process of the SSH container", runServe},
	{"keep", "run a command, and keep the server awake until it ends", runKeepAwake},
	{"sftp-server", "serve SFTP on standard input and output; started by init", runSFTP},
}

// Main runs the program and returns its exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return 2
	}
	if args[0] == "version" {
		fmt.Fprintln(stdout, version.Version)
		return 0
	}
	for _, verb := range verbs {
		if verb.name != args[0] {
			continue
		}
		code, err := verb.run(args[1:], stderr)
		switch {
		case errors.Is(err, flag.ErrHelp):
			return 0
		case err != nil:
			// The last line of the log becomes the container's termination message,
			// which people read.
			fmt.Fprintf(stderr, "devserver-agent %s: %v\n", verb.name, err)
		}
		return code
	}
	usage(stderr)
	return 2
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: devserver-agent VERB [FLAGS]; -h after a verb lists its flags")
	for _, verb := range verbs {
		fmt.Fprintf(w, "  %-12s %s\n", verb.name, verb.does)
	}
	fmt.Fprintln(w, "  version      print the version")
}

// self returns the path of this program.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the agent's own binary: %w", err)
	}
	return path, nil
}
