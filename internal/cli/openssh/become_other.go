//go:build !unix

package openssh

import (
	"context"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Become runs a program and ends as it ends.
func Become(line []string, streams genericiooptions.IOStreams) error {
	return Run(context.Background(), line, streams)
}
