package spawner

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"devserver.io/devserver/internal/agent/pty"
)

// relayedTerminal is the master of a terminal that is relayed. After the process has
// ended, its output ends with what the process wrote last, so that the SSH server has
// all output when the spawner reports the end.
type relayedTerminal struct {
	*os.File
	exited atomic.Bool
	// left is how many more bytes are read after the process has ended.
	left int
	end  sync.Once
	// ended is closed when everything that was read has been relayed, and nothing more is.
	ended chan struct{}
}

func newRelayedTerminal(master *os.File) *relayedTerminal {
	return &relayedTerminal{File: master, left: pty.LingerBytes, ended: make(chan struct{})}
}

// Read reads output. The relay has written all earlier output when it reads again.
func (t *relayedTerminal) Read(p []byte) (n int, err error) {
	if t.exited.Load() {
		if t.left <= 0 {
			err = io.EOF
		} else {
			err = t.SetReadDeadline(time.Now().Add(pty.LingerPause))
		}
	}
	if err == nil {
		n, err = t.File.Read(p)
	}
	if t.exited.Load() {
		t.left -= n
	}
	if err != nil {
		t.end.Do(func() { close(t.ended) })
	}
	return n, err
}

// WriteTo copies the output with Read.
func (t *relayedTerminal) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{t})
}

// Close closes the terminal.
func (t *relayedTerminal) Close() error {
	t.end.Do(func() { close(t.ended) })
	return t.File.Close()
}

// finish waits, after the process has ended, until its last output has been relayed, until
// gone is closed, or for LastOutput.
func (t *relayedTerminal) finish(gone <-chan struct{}) {
	t.exited.Store(true)
	// Limits a read that began before. This fails if the terminal is closed.
	_ = t.SetReadDeadline(time.Now().Add(pty.LingerPause))
	select {
	case <-t.ended:
	case <-gone:
	case <-time.After(pty.LastOutput):
	}
}
