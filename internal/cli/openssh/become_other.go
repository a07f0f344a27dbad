//go:build !unix

package openssh

import (
	"context"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Become runs a program and returns its exit code as an error.
func Become(line []string, streams genericiooptions.IOStreams) error {
	return Run(context.Background(), line, streams)
}
