package main

import (
	"bytes"
	"io"

	"sigs.k8s.io/controller-tools/pkg/loader"
)

// outputToMemory stores the output of a generator by the name of its file.
type outputToMemory map[string]*bytes.Buffer

// Open implements genall.OutputRule.
func (o outputToMemory) Open(_ *loader.Package, name string) (io.WriteCloser, error) {
	o[name] = &bytes.Buffer{}
	return closer{o[name]}, nil
}

type closer struct{ io.Writer }

func (closer) Close() error { return nil }
