package gateway

import (
	"io"
	"sync"

	"devserver.io/devserver/internal/sshpolicy"
)

const (
	// quietBuffer is the buffer of each direction of a tunnel with little traffic. It
	// suffices for a terminal's output. Ten thousand idle tunnels have one each.
	quietBuffer = 3 << 10
	// bulkBuffer is the buffer of a direction with much traffic.
	bulkBuffer = 64 << 10
	// bulkRead is the smallest read with which a direction keeps its bulkBuffer.
	bulkRead = bulkBuffer / 4
)

// bulkBuffers are the free ones.
var bulkBuffers = sync.Pool{New: func() any { return new([bulkBuffer]byte) }}

// borrower borrows bulk buffers for a user, as many as the user may have.
type borrower struct {
	budget *sshpolicy.Budget
	user   string
}

// borrow returns nil if the user has too many.
func (b borrower) borrow() *[bulkBuffer]byte {
	if b.budget.Take(b.user, 1) != nil {
		return nil
	}
	return bulkBuffers.Get().(*[bulkBuffer]byte)
}

func (b borrower) giveBack(buffer *[bulkBuffer]byte) {
	bulkBuffers.Put(buffer)
	b.budget.Give(b.user, 1)
}

// copyAndEnd copies until from ends or to fails, and then ends to.
func copyAndEnd(to io.Writer, from io.Reader, bulk borrower) (n int64) {
	quiet := make([]byte, quietBuffer)
	var borrowed *[bulkBuffer]byte
	defer func() {
		if borrowed != nil {
			bulk.giveBack(borrowed)
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
		// An error ends this direction too.
		if ended != nil || err != nil {
			return n
		}
		switch {
		case borrowed == nil && got == quietBuffer:
			borrowed = bulk.borrow()
		case borrowed != nil && got < bulkRead:
			bulk.giveBack(borrowed)
			borrowed = nil
		}
	}
}
