package sshd

import "io"

// countingWriter counts the bytes that are written through it.
type countingWriter struct {
	to    io.Writer
	count func(bytes int)
}

func (w countingWriter) Write(p []byte) (int, error) {
	w.count(len(p))
	return w.to.Write(p)
}
