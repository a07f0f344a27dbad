package brief

import (
	"bufio"
	"errors"
	"io"
)

// events are those of a watch, one a line.
type events struct {
	body  io.ReadCloser
	lines *bufio.Reader
	line  []byte // its memory is used again
	rest  []byte // what is to be read of it
	err   error  // after the rest
}

func newEvents(body io.ReadCloser) *events {
	return &events{body: body, lines: bufio.NewReader(body)}
}

func (e *events) Read(into []byte) (int, error) {
	for len(e.rest) == 0 {
		if e.err != nil {
			return 0, e.err
		}
		e.next()
	}
	n := copy(into, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// next reads a line, or what there is of one at the end.
func (e *events) next() {
	e.line = e.line[:0]
	for {
		part, err := e.lines.ReadSlice('\n')
		e.line = append(e.line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		e.rest, e.err = withoutManagedFields(e.line, inEvent), err
		return
	}
}

func (e *events) Close() error { return e.body.Close() }
