package gateway

import (
	"io"
	"sync"
)

const (
	// quietBuffer is what each direction of a tunnel holds while little or
	// nothing moves: enough for a terminal's output, and there may be ten
	// thousand tunnels in which nobody types.
	quietBuffer = 4 << 10
	// bulkBuffer is what it borrows while much moves.
	bulkBuffer = 64 << 10
	// muchMoves is what has to come at once for it to be kept. A burst that
	// ends below gives it back.
	muchMoves = bulkBuffer / 4
)

// bulkBuffers are not in use.
var bulkBuffers = sync.Pool{New: func() any { return new([bulkBuffer]byte) }}

// copyAndEnd copies until from ends or to takes no more, and passes the end
// on, as with any TCP connection.
func copyAndEnd(to io.Writer, from io.Reader) (n int64) {
	quiet := make([]byte, quietBuffer)
	var borrowed *[bulkBuffer]byte
	defer func() {
		if borrowed != nil {
			bulkBuffers.Put(borrowed)
		}
		if half, ok := to.(closeWriter); ok {
			_ = half.CloseWrite()
		}
	}()
	for {
		into := quiet
		if borrowed != nil {
			into = borrowed[:]
		}
		got, ended := from.Read(into)
		written, err := to.Write(into[:got])
		n += int64(written)
		// An error ends this direction just as well.
		if ended != nil || err != nil {
			return n
		}
		switch {
		case borrowed == nil && got == quietBuffer:
			borrowed = bulkBuffers.Get().(*[bulkBuffer]byte)
		case borrowed != nil && got < muchMoves:
			bulkBuffers.Put(borrowed)
			borrowed = nil
		}
	}
}
