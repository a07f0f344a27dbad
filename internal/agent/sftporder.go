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
// It relies on the library to send exactly one response to each request. If the
// library cannot send one, because it has closed the connection or a write failed,
// Read returns an error instead of waiting.
type inOrder struct {
	in  io.Reader
	out io.WriteCloser

	request  packets // the requests; used by Read only
	reading  bool    // the library has read part of a request; used by Read only
	response packets // the responses; used by Write only

	answered chan struct{} // has an element while the next request may be read
	ended    chan struct{} // closed when no more responses can be written
	end      sync.Once
	err      error // why no more responses can be written; set before ended is closed
}

func newInOrder(in io.Reader, out io.WriteCloser) *inOrder {
	o := &inOrder{in: in, out: out, answered: make(chan struct{}, 1), ended: make(chan struct{})}
	o.answered <- struct{}{}
	return o
}

// Read reads from one request only. It waits until the request before it has been
// answered.
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

// Write writes responses. Once one is complete, the next request may be read.
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
		// The library ignores this error, and would wait for the next request.
		o.stop(err)
	}
	return n, err
}

// Close ends Read and Write. The library calls it when it gives up on the client.
func (o *inOrder) Close() error {
	o.stop(os.ErrClosed)
	return o.out.Close()
}

// stop makes Read return err from now on.
func (o *inOrder) stop(err error) {
	o.end.Do(func() {
		o.err = err
		close(o.ended)
	})
}

// packets finds the ends of packets in a stream. Each packet begins with its length,
// the number of bytes that follow, in four bytes.
type packets struct {
	length [4]byte
	known  int // how many bytes of length have arrived
	body   int // how many bytes of the packet are left, once length is known
}

// rest returns how many bytes advance accepts at most: the rest of the length, or of the
// packet. It is at least 1.
func (s *packets) rest() int {
	if s.known < len(s.length) {
		return len(s.length) - s.known
	}
	return s.body
}

// advance moves past p, which has at most rest bytes, and reports whether a packet ends
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
