package brief

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// events are those of a watch, of which each is made short as a whole.
type events struct {
	body  io.Closer
	from  *bufio.Reader
	next  func(*bufio.Reader) ([]byte, error)
	event []byte // what is to be read of it yet
	err   error  // after the event
}

// newEvents reads the events of a watch. Each next may use the memory of the
// last one again.
func newEvents(body io.ReadCloser, next func(*bufio.Reader) ([]byte, error)) *events {
	return &events{body: body, from: bufio.NewReader(body), next: next}
}

func (e *events) Read(into []byte) (int, error) {
	for len(e.event) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.event, e.err = e.next(e.from)
	}
	n := copy(into, e.event)
	e.event = e.event[n:]
	return n, nil
}

func (e *events) Close() error { return e.body.Close() }

// lines reads events in JSON, one a line, or what there is of one at the end.
func lines() func(*bufio.Reader) ([]byte, error) {
	var line []byte
	return func(from *bufio.Reader) ([]byte, error) {
		line = line[:0]
		for {
			part, err := from.ReadSlice('\n')
			line = append(line, part...)
			if !errors.Is(err, bufio.ErrBufferFull) {
				return withoutManagedFields(line), err
			}
		}
	}
}

const (
	// headerBytes are before each frame, with its length.
	headerBytes = 4
	// maxFrame is more than an object may have; what says that it is longer is none.
	maxFrame = 64 << 20
)

// frames reads events in protobuf, which come with their lengths, each in four
// bytes with the greatest first, and leaves of their objects what the mask says.
func frames(object Mask) func(*bufio.Reader) ([]byte, error) {
	var frame []byte
	c := newCutter(object)
	return func(from *bufio.Reader) ([]byte, error) {
		header, err := from.Peek(headerBytes)
		if err != nil {
			// Part of a header, with the error after it.
			n, _ := from.Discard(len(header))
			return append(frame[:0], header[:n]...), err
		}
		n := headerBytes + int(binary.BigEndian.Uint32(header))
		if n > maxFrame {
			return nil, errors.New("an event of a watch is too long")
		}
		if cap(frame) < n {
			frame = make([]byte, n)
		}
		read, err := io.ReadFull(from, frame[:n])
		if err != nil {
			return frame[:read], err
		}
		return c.frame(frame[:n]), nil
	}
}
