//go:build !unix

package ssh

import (
	"errors"
	"fmt"
	"os/exec"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/exit"
)

// run runs ssh and ends as it ends.
func run(line []string, streams genericiooptions.IOStreams) error {
	command := exec.Command(line[0], line[1:]...)
	command.Stdin, command.Stdout, command.Stderr = streams.In, streams.Out, streams.ErrOut
	err := command.Run()
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.With(ended.ExitCode(), fmt.Errorf("ssh ended: %w", err))
	}
	if err != nil {
		return fmt.Errorf("starting the OpenSSH client: %w: install it", err)
	}
	return nil
}
