//go:build unix

package ssh

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// run becomes ssh: its signals, terminal and exit code are then its own.
func run(line []string, _ genericiooptions.IOStreams) error {
	program, err := exec.LookPath(line[0])
	if err != nil {
		return fmt.Errorf("looking for the OpenSSH client: %w: install it (openssh-client)", err)
	}
	return fmt.Errorf("starting %s: %w", program, syscall.Exec(program, line, os.Environ()))
}
