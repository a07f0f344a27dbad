//go:build unix

package openssh

import (
	"fmt"
	"os"
	"syscall"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Become replaces this process by a program, which then has its terminal and gets
// its signals.
func Become(line []string, _ genericiooptions.IOStreams) error {
	program, err := find(line[0])
	if err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", program, syscall.Exec(program, line, os.Environ()))
}
