// Package ask asks a person at a terminal.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/exit"
)

// YesNo asks on ErrOut and reads the answer from In. Without one, it is usual.
// Nothing behind the line is read: it may be for a program that comes next.
func YesNo(ctx context.Context, streams genericiooptions.IOStreams, question string, usual bool) (bool, error) {
	choice := "[y/N]"
	if usual {
		choice = "[Y/n]"
	}
	type answer struct {
		line string
		err  error
	}
	for {
		fmt.Fprintf(streams.ErrOut, "%s %s ", question, choice)
		given := make(chan answer, 1)
		go func() {
			line, err := readLine(streams.In)
			given <- answer{line, err}
		}()
		select {
		case <-ctx.Done():
			fmt.Fprintln(streams.ErrOut)
			return false, exit.With(exit.Interrupted, errors.New("interrupted: nothing was changed"))
		case a := <-given:
			switch strings.ToLower(strings.TrimSpace(a.line)) {
			case "y", "yes":
				return true, nil
			case "n", "no":
				return false, nil
			case "":
				if a.err != nil {
					fmt.Fprintln(streams.ErrOut)
					return false, exit.With(exit.Refused, errors.New("there was no answer: nothing was changed"))
				}
				return usual, nil
			}
			if a.err != nil {
				return false, exit.With(exit.Refused, fmt.Errorf("%q is neither yes nor no: nothing was changed", a.line))
			}
		}
	}
}

// readLine reads up to the end of the line, and not a byte more.
func readLine(from io.Reader) (string, error) {
	var line []byte
	for one := make([]byte, 1); ; {
		n, err := from.Read(one)
		if n > 0 && one[0] == '\n' {
			return string(line), nil
		}
		line = append(line, one[:n]...)
		if err != nil {
			return string(line), err
		}
	}
}
