package agent

import (
	"encoding/binary"
	"io"
	"os"
	"sync"
)

// inOrder stands between a client and the SFTP library, and gives the library
// each request only after the library has written the whole response to the
// request before it. Clients send requests without waiting for responses, and
// expect them to be carried out in the order sent: lftp sets a file's times
// right after its last write. The library hands requests to several workers at
// once and orders only the responses.
//
// It relies on the library sending exactly one response to each request. If no
// response can be sent, because the library closed the connection or writing
// failed, Read returns an error instead of waiting.
type inOrder struct {
	in  io.Reader
	out io.WriteCloser

	request  packets // used by Read only
	reading  bool    // likewise: the library is in the middle of a request
	response packets // used by Write only

	answered chan struct{} // holds an element while the next request may be read
	ended    chan struct{} // closed when no more responses can be written
	end      sync.Once
	err      error // why no more can be written; set before ended is closed
}

func newInOrder(in io.Reader, out io.WriteCloser) *inOrder {
	o := &inOrder{in: in, out: out, answered: make(chan struct{}, 1), ended: make(chan struct{})}
	o.answered <- struct{}{}
	return o
}

// Read reads from at most one request.
func (o *inOrder) Read(p []byte) (int, error) {
	if !o.reading {
		select {
		case <-o.answered:
			o.reading = true
		case <-o.ended:
			return 0, o.err
		}
	}
	n, err := o.in.Read(p[:min(len(p), o.request.rest())])
	if o.request.advance(p[:n]) {
		o.reading = false
	}
	return n, err
}

func (o *inOrder) Write(p []byte) (int, error) {
	n, err := o.out.Write(p)
	for written := p[:n]; len(written) > 0; {
		part := written[:min(len(written), o.response.rest())]
		if o.response.advance(part) {
			o.answered <- struct{}{}
		}
		written = written[len(part):]
	}
	if err != nil {
		// The library drops this error and would wait for the next request.
		o.stop(err)
	}
	return n, err
}

// Close is called by the library when it gives up on the client.
func (o *inOrder) Close() error {
	o.stop(os.ErrClosed)
	return o.out.Close()
}

func (o *inOrder) stop(err error) {
	o.end.Do(func() {
		o.err = err
		close(o.ended)
	})
}

// packets finds where packets end in a stream of them. Each begins with four
// bytes, the number of bytes that follow.
type packets struct {
	length [4]byte
	known  int // bytes of length that have been seen
	body   int // bytes to come, once all of length is known
}

// rest is how many bytes can follow before advance has to see them, at least 1.
func (s *packets) rest() int {
	if s.known < len(s.length) {
		return len(s.length) - s.known
	}
	return s.body
}

// advance goes past p, at most rest bytes, and reports whether a packet ends
// there.
func (s *packets) advance(p []byte) bool {
	if s.known < len(s.length) {
		s.known += copy(s.length[s.known:], p)
		if s.known < len(s.length) {
			return false
		}
		s.body = int(binary.BigEndian.Uint32(s.length[:]))
	} else {
		s.body -= len(p)
	}
	if s.body > 0 {
		return false
	}
	*s = packets{}
	return true
}
