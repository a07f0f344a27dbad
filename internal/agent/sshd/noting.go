package sshd

import "io"

// noting tells of what is written through it.
type noting struct {
	to   io.Writer
	note func(bytes int)
}

func (n noting) Write(p []byte) (int, error) {
	n.note(len(p))
	return n.to.Write(p)
}
