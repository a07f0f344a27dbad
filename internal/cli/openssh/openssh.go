// Package openssh runs the programs of the stock OpenSSH client.
package openssh

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// find is the path of a program.
func find(name string) (string, error) {
	program, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("looking for %s, a part of the OpenSSH client: %w: install it (openssh-client)", filepath.Base(name), err)
	}
	return program, nil
}

// Run runs a program to its end and returns its exit code as an error.
func Run(ctx context.Context, line []string, streams genericiooptions.IOStreams) error {
	program, err := find(line[0])
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, line[1:]...)
	command.Stdin, command.Stdout, command.Stderr = streams.In, output.Raw(streams.Out), output.Raw(streams.ErrOut)
	return Ended(line[0], command.Run())
}

// Ended is the error for the end of a program, with the program's exit code.
func Ended(name string, err error) error {
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.With(ended.ExitCode(), fmt.Errorf("%s ended: %w", name, err))
	}
	if err != nil {
		return fmt.Errorf("running %s: %w", name, err)
	}
	return nil
}
