package sshpolicy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
)

// Package ssh reads from a connection as fast as the client sends, and keeps what no
// reader has taken yet. For each channel it lets the client send 2 MiB ahead, counting
// neither the packets, so that 2 MiB in packets of one byte take 100 MiB of memory, nor
// requests. It has no setting for any of that. An Intake therefore limits what is read
// from the connection itself.

const (
	// maxPacket is the largest packet that counts as part of a connection, in bytes.
	// Data comes in packets of up to 32 KiB. Package ssh accepts up to 256 KiB, and
	// keeps a buffer of the size of the largest packet.
	maxPacket = 64 << 10
	// packetData and packetOverhead are the most data that a packet has, and the fewest
	// other bytes, as sent.
	packetData, packetOverhead = 32 << 10, 34
	// sweepBytes is after how many bytes an Intake looks for data on streams that the
	// client has ended. Until then, a connection can hold as much that does not count.
	sweepBytes = 32 << 10
	// calmTime is how long a connection must be at rest until it is certain that it holds
	// nothing. A reader for which data has arrived returns sooner, also on a busy machine.
	calmTime = 200 * time.Millisecond
	// maxQueued is how many bytes for the client may wait in package ssh while keys are
	// exchanged again, which the client can delay. Package ssh queues 64 packets.
	maxQueued = 64 << 10
)

// Intake limits how many bytes a connection holds that its client has sent and nothing
// has read. A connection is at rest when every reader of it waits for more, and nothing
// is being written to the client. If it is at rest for calmTime, it holds nothing. An
// Intake counts the bytes that have arrived since then, less those that were read from
// channels.
//
// If a connection holds more than is free in the budget for its user, reading from it
// pauses until its readers have caught up. So connections that hold much are paused
// first, and one that holds nothing never is. While reading is paused, the client's
// answers to keep-alive requests are not read either, so a connection whose readers make
// no progress is closed in the end.
//
// It also limits how much waits to be written to the client.
type Intake struct {
	budget *Budget
	user   string

	// All that follows is protected by budget.mu.
	more   sync.Cond // signalled when reading may continue
	unread int64     // bytes
	packet int64     // the part of the largest packet that exceeds maxPacket, in bytes
	// busy is the number of readers that do not wait for more, and of writes in progress.
	busy   int
	moved  time.Time // when bytes arrived, or busy changed, last
	closed bool
	// written is how many bytes were written to the connection. queued is how many bytes
	// at least were written to channels, and not to the connection yet.
	written, queued int64
	flushed         sync.Cond // signalled when queued falls
	// ended has the streams that the client has ended. It must not send more on them.
	ended   map[*reader]struct{}
	unswept int64 // bytes since the last sweep
}

// NewIntake returns an intake for one connection of a user.
func NewIntake(budget *Budget, user string) *Intake {
	return &Intake{budget: budget, user: user, more: sync.Cond{L: &budget.mu}, flushed: sync.Cond{L: &budget.mu}}
}

var (
	errLargePacket = errors.New("the client sends a larger packet than its user may")
	errAfterEnd    = errors.New("the client sends data on a channel after the end of its data")
)

// before waits until the connection may read into a buffer of that size. A nil Intake
// limits the size only, for a client that has not logged in.
func (i *Intake) before(size int) error {
	excess := int64(size) - maxPacket
	if i == nil {
		if excess > 0 {
			return errLargePacket
		}
		return nil
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	if err := i.sweep(); err != nil {
		return err
	}
	if i.closed {
		return nil // The read fails.
	}
	if more := excess - i.packet; more > 0 {
		if i.budget.check(i.user, more) != nil {
			return errLargePacket
		}
		i.packet += more
		i.budget.add(i.user, more)
	}
	for i.settle(); !i.closed && i.unread > 0 && i.unread > i.budget.free(i.user); i.settle() {
		i.pause()
	}
	return nil
}

// pause waits until a reader has caught up, but at most for calmTime: other connections of
// the user may have made room, or this one may have become calm.
func (i *Intake) pause() {
	wake := time.AfterFunc(calmTime, func() {
		i.budget.mu.Lock()
		defer i.budget.mu.Unlock()
		i.more.Signal()
	})
	defer wake.Stop()
	i.more.Wait()
}

// after counts n bytes that have arrived.
func (i *Intake) after(n int) {
	if i == nil {
		return
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	if i.closed {
		return
	}
	i.settle()
	i.moved = time.Now()
	i.unread += int64(n)
	i.unswept += int64(n)
	i.budget.add(i.user, int64(n))
}

// sweep returns an error if the client has sent data after the end of a stream, which
// nobody would read. It releases the lock meanwhile.
func (i *Intake) sweep() error {
	if i.unswept < sweepBytes || len(i.ended) == 0 {
		return nil
	}
	i.unswept = 0
	readers := make([]*reader, 0, len(i.ended))
	for r := range i.ended {
		readers = append(readers, r)
	}
	i.budget.mu.Unlock()
	defer i.budget.mu.Lock()
	var b [1]byte
	for _, r := range readers {
		// This does not block: the stream has ended.
		if n, _ := r.from.Read(b[:]); n > 0 {
			return errAfterEnd
		}
	}
	return nil
}

// Close returns everything to the budget. The connection has ended.
func (i *Intake) Close() {
	if i == nil {
		return
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	if i.closed {
		return
	}
	i.closed = true
	i.budget.add(i.user, -i.unread-i.packet)
	i.unread, i.packet = 0, 0
	clear(i.ended)
	i.more.Broadcast()
	i.flushed.Broadcast()
}

// Work is called when a reader stops to wait, or a write begins.
func (i *Intake) Work() {
	if i == nil {
		return
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	i.work()
}

// Rest is called when a reader begins to wait, or a write has ended.
func (i *Intake) Rest() {
	if i == nil {
		return
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	i.rest()
}

// work is Work. The caller holds the lock, as for the methods below.
func (i *Intake) work() {
	i.busy++
	i.moved = time.Now()
}

func (i *Intake) rest() {
	i.busy--
	i.moved = time.Now()
}

// isAtRest reports whether nothing is read or written. While packets for the client wait
// for a key exchange, requests can wait for their answers.
func (i *Intake) isAtRest() bool { return i.busy == 0 && i.queued == 0 }

// settle forgets all unread bytes if the connection is calm.
func (i *Intake) settle() {
	if i.unread > 0 && i.isAtRest() && time.Since(i.moved) >= calmTime {
		i.release(i.unread)
	}
}

func (i *Intake) release(n int64) {
	if n = min(n, i.unread); n > 0 {
		i.unread -= n
		i.budget.add(i.user, -n)
		i.more.Signal()
	}
}

// wrote counts n bytes that were written to the connection.
func (i *Intake) wrote(n int) {
	if i == nil {
		return
	}
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	i.written += int64(n)
	if i.queued > 0 {
		i.queued = max(0, i.queued-int64(n))
		i.flushed.Broadcast()
	}
}

// write writes to a stream of a channel. If package ssh only queues what is written, it
// waits at maxQueued bytes.
func (i *Intake) write(to io.Writer, p []byte) (n int, err error) {
	for {
		written, err := i.beforeWrite()
		if err != nil {
			return n, err
		}
		m, err := to.Write(p[n:min(len(p), n+packetData)])
		i.afterWrite(written, m)
		if n += m; err != nil || n == len(p) {
			return n, err
		}
	}
}

func (i *Intake) beforeWrite() (written int64, err error) {
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	for !i.closed && i.queued > maxQueued {
		i.flushed.Wait()
	}
	if i.closed {
		return 0, io.EOF
	}
	return i.written, nil
}

// afterWrite counts what was not written to the connection of n bytes for a channel.
func (i *Intake) afterWrite(writtenBefore int64, n int) {
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	i.queued += max(0, int64(n)-(i.written-writtenBefore))
}

// reader is a stream of a channel.
type reader struct {
	intake *Intake
	from   io.Reader
	// reading is held during a Read. Package ssh wakes only one of several.
	reading sync.Mutex

	// Protected by intake.budget.mu.
	waiting bool // in a Read
	over    bool // the client has ended the stream or the channel
}

// newReader returns a reader, which is busy until its first Read.
func newReader(intake *Intake, from io.Reader) *reader {
	intake.Work()
	return &reader{intake: intake, from: from}
}

func (r *reader) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	r.begin()
	n, err := r.from.Read(p)
	r.end(n, err)
	return n, err
}

func (r *reader) begin() {
	r.intake.budget.mu.Lock()
	defer r.intake.budget.mu.Unlock()
	if !r.over {
		r.waiting = true
		r.intake.rest()
	}
}

func (r *reader) end(n int, err error) {
	i := r.intake
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	if r.waiting {
		r.waiting = false
		if !r.over {
			i.work()
		}
	}
	if n > 0 {
		packets := (n + packetData - 1) / packetData
		i.release(int64(n + packets*packetOverhead))
	}
	if err == nil || r.over {
		return
	}
	r.finish()
	// Another error means that the connection has ended.
	if errors.Is(err, io.EOF) && n == 0 && !i.closed {
		if i.ended == nil { // as for most connections
			i.ended = map[*reader]struct{}{}
		}
		i.ended[r] = struct{}{}
	}
}

// finish ends the stream. The caller holds the lock.
func (r *reader) finish() {
	if r.over {
		return
	}
	r.over = true
	if !r.waiting {
		r.intake.rest()
	}
}

// forget is called when the client has closed the channel.
func (r *reader) forget() {
	i := r.intake
	i.budget.mu.Lock()
	defer i.budget.mu.Unlock()
	r.finish()
	delete(i.ended, r)
}

// Channel is a channel whose unread bytes an Intake counts. Read and Serve must both be
// called until they return the end, so that the client's data is taken; after Close,
// data is discarded.
type Channel struct {
	ssh.Channel
	intake   *Intake
	requests <-chan *ssh.Request
	data     *reader
	errors   *reader // standard error, on which clients have nothing to send
	closing  sync.Once
}

// Accept accepts a channel that the client requests.
func (i *Intake) Accept(requested ssh.NewChannel) (*Channel, error) {
	return i.channel(requested.Accept())
}

// Open opens a channel to the client.
func (i *Intake) Open(conn ssh.Conn, kind string, payload []byte) (*Channel, error) {
	return i.channel(conn.OpenChannel(kind, payload))
}

func (i *Intake) channel(channel ssh.Channel, requests <-chan *ssh.Request, err error) (*Channel, error) {
	if err != nil {
		return nil, err
	}
	c := &Channel{
		Channel: channel, intake: i, requests: requests,
		data: newReader(i, channel), errors: newReader(i, channel.Stderr()),
	}
	go discard(c.errors)
	return c, nil
}

// discard reads to the end. There is usually nothing to read, so it takes no large buffer
// before it has to.
func discard(from io.Reader) {
	buffer := make([]byte, 64)
	for {
		n, err := from.Read(buffer)
		switch {
		case err != nil:
			return
		case n == len(buffer) && n < discardBytes:
			buffer = make([]byte, discardBytes)
		}
	}
}

// discardBytes is the size of reads of what is discarded, in bytes.
const discardBytes = 16 << 10

// Write writes data to the client.
func (c *Channel) Write(p []byte) (int, error) { return c.intake.write(c.Channel, p) }

// Stderr returns the stream of standard error, to which the client has nothing to send.
func (c *Channel) Stderr() io.ReadWriter { return standardError{c.errors, c} }

type standardError struct {
	*reader

	channel *Channel
}

func (s standardError) Write(p []byte) (int, error) {
	return s.channel.intake.write(s.channel.Channel.Stderr(), p)
}

// Read reads the client's data.
func (c *Channel) Read(p []byte) (int, error) { return c.data.Read(p) }

// Close tells the client that the channel is closed, and discards what it still sends.
// The client's answer ends Serve.
func (c *Channel) Close() error {
	err := net.ErrClosed
	c.closing.Do(func() {
		err = c.Channel.Close()
		go discard(c.data)
	})
	return err
}

// Serve calls handle for each request on the channel until the client has closed it.
// Only then may it stop counting as open: until then, package ssh keeps it.
func (c *Channel) Serve(handle func(*ssh.Request)) {
	defer c.data.forget()
	defer c.errors.forget()
	Each(c.intake, c.requests, handle)
}

// Each calls handle for each value of a queue that the client fills, until it is closed.
// While handle runs, the connection is not at rest.
func Each[T any](i *Intake, queue <-chan T, handle func(T)) {
	i.Work()
	for {
		waits := len(queue) == 0
		if waits {
			i.Rest()
		}
		next, ok := <-queue
		if waits {
			i.Work()
		}
		if !ok {
			i.Rest()
			return
		}
		handle(next)
	}
}

// Refuse answers a request that the server does not support.
func Refuse(request *ssh.Request) {
	_ = request.Reply(false, nil) // fails only with the connection
}
