// Package agent is the program that turns any image into a box. Its verbs are
// the steps of a box's life: prepare is the init container, init is the main
// container's PID 1, and starts serve, the SSH server, which in turn starts
// sftp-server for each file transfer. One verb is for the box's user: keep.
package agent

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"devserver.io/devserver/internal/version"
)

// verbs of the program, in the order of the usage message.
var verbs = []struct {
	name, does string
	run        func(args []string, stderr io.Writer) (exitCode int, err error)
}{
	{"prepare", "prepare a box: the init container", runPrepare},
	{"init", "run a box: PID 1 of the main container", runInit},
	{"serve", "serve SSH; started by init", runServe},
	{"keep", "run a command, and let the box count as at work meanwhile", runKeep},
	{"sftp-server", "serve SFTP on standard input and output; started by serve", runSFTP},
}

// Main runs the program and gives its exit code.
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
			// The last line of the log becomes the container's termination
			// message: this one is for a person.
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

// self is the path of this program.
func self() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("finding the agent's own binary: %w", err)
	}
	return path, nil
}
