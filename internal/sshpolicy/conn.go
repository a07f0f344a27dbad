package sshpolicy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// LingerTime is how long a closed connection waits for the client to close its
// side: enough for a round trip over a slow network, short enough for a server
// that is stopping.
const LingerTime = time.Second

// lingerBytes is how much of what the client still sends is discarded: more than
// is on the way from any client that knows when to stop.
const lingerBytes = 4 << 20

// Conn is a client's connection whose Close loses nothing that was written
// before. If a program closes a socket that holds unread data, or to which the
// peer still sends, the kernel resets the connection and drops what it has not
// delivered yet, such as an exit status or the reason of a refusal. Close
// therefore ends its own direction first, and discards what the client sends
// until the client has closed its direction too, for at most LingerTime and at
// most 4 MiB.
type Conn struct {
	net.Conn

	// reading is held during a read, so that only one side reads at a time: the
	// user of the connection before Close, linger after it.
	reading sync.Mutex

	// visit is how the connection counts while the client logs in. It can be nil.
	visit *Visit
	// intake limits what is read from a client that has logged in.
	intake atomic.Pointer[Intake]
	// early limits what is read from a client that is exchanging keys.
	early early
	// packets is where package ssh queues what it has read. It is nil until the key
	// exchange is finished.
	packets atomic.Pointer[chan []byte]

	mu      sync.Mutex // of closing, and of deadlines, which Close sets last
	closing bool
	halted  chan struct{} // closed by halt
	halting sync.Once
	closed  chan struct{}
}

// NewConn returns a Conn for a connection that is not in use yet.
func NewConn(raw net.Conn) *Conn {
	return &Conn{Conn: raw, early: newEarly(), halted: make(chan struct{}), closed: make(chan struct{})}
}

// Enter has the door admit the connection, or returns why it does not. The door may close
// it at any time until Leave is called.
func (c *Conn) Enter(door *Door) error {
	visit, err := door.Enter(c.RemoteAddr(), c.abort)
	c.visit = visit
	return err
}

// Leave is called when the client has logged in or the connection has ended.
func (c *Conn) Leave() { c.visit.Leave() }

// Dropped reports whether the door has closed the connection in favor of another.
func (c *Conn) Dropped() bool { return c.visit != nil && c.visit.Dropped() }

// keySent notes that the client has the server's key, and may ask its user about it.
func (c *Conn) keySent() {
	c.early.begin()
	if c.visit != nil {
		c.visit.greeted.Store(true)
	}
}

// greet notes that the key exchange is finished.
func (c *Conn) greet(conn ssh.ServerPreAuthConn) {
	c.packets.Store(queueOf(conn))
	c.early.end()
}

// halt ends a Read that waits for the end of the key exchange.
func (c *Conn) halt() { c.halting.Do(func() { close(c.halted) }) }

// abort resets the connection. Close must still be called.
func (c *Conn) abort() {
	c.halt()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // The kernel keeps nothing of it either.
	}
	_ = c.Conn.Close()
}

// Limit limits from now on how much is read ahead of the readers of the connection's
// channels. Until then, packets can have 64 KiB: a login requires no larger ones.
func (c *Conn) Limit(intake *Intake) { c.intake.Store(intake) }

// Closed is closed once the socket is closed, which may be LingerTime after
// Close.
func (c *Conn) Closed() <-chan struct{} { return c.closed }

// Close ends the connection and returns at once. Reads and writes fail from
// here on.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	c.closing = true
	c.halt()
	c.intake.Load().Close()
	if packets := c.packets.Load(); packets != nil {
		go empty(*packets)
	}
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || c.Conn.SetDeadline(time.Unix(1, 0)) != nil || half.CloseWrite() != nil {
		// The connection is broken already, or not one of TCP.
		defer close(c.closed)
		return c.Conn.Close()
	}
	go c.linger()
	return nil
}

// linger discards what the client still sends.
func (c *Conn) linger() {
	defer close(c.closed)
	defer c.Conn.Close()
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.Conn.SetReadDeadline(time.Now().Add(LingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
}

func (c *Conn) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// Read reads what the client sends until Close is called.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.isClosing() {
		return 0, net.ErrClosed
	}
	if err := c.intake.Load().before(len(p)); err != nil {
		return 0, err
	}
	size, err := c.early.before(len(p), c.halted)
	if err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p[:size])
	if c.isClosing() {
		return 0, net.ErrClosed
	}
	c.intake.Load().after(n)
	c.early.after(n)
	if n > 0 && c.visit != nil {
		c.visit.Heard()
	}
	return n, err
}

// Write writes to the client until Close is called.
func (c *Conn) Write(p []byte) (int, error) {
	if c.isClosing() {
		return 0, net.ErrClosed
	}
	intake := c.intake.Load()
	intake.Work()
	defer intake.Rest()
	n, err := c.Conn.Write(p)
	intake.wrote(n)
	return n, err
}

// SetDeadline sets the deadline of reads and writes. Like its two siblings, it
// fails after Close, whose own deadline stands.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetDeadline, t) }

// SetReadDeadline sets the deadline of reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetReadDeadline, t) }

// SetWriteDeadline sets the deadline of writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(c.Conn.SetWriteDeadline, t) }

func (c *Conn) setDeadline(set func(time.Time) error, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	return set(t)
}
