package sshpolicy

import (
	"net"
	"os"
	"reflect"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Package ssh reads packets in a goroutine of its own, which queues up to 16 of them. If
// the connection ends for any other reason than an error of a read, nothing takes packets
// out of the queue any more, and if the queue is full, that goroutine and those that wait
// for it stay for as long as the process runs: two or three for each connection, also of
// strangers. So a Conn empties the queue when it is closed. The queue is not reachable
// before the key exchange is finished. Until then, a Conn reads no more than the queue can
// hold.

// queueOf returns the queue of packets of a connection, or nil if package ssh has changed.
func queueOf(conn ssh.ServerPreAuthConn) *chan []byte {
	queue := field(field(reflect.ValueOf(conn), "transport"), "incoming")
	if !queue.IsValid() || !queue.CanAddr() || queue.Type() != reflect.TypeFor[chan []byte]() {
		return nil
	}
	return (*chan []byte)(queue.Addr().UnsafePointer())
}

// field returns a field of the struct that v is, or refers to. The zero Value means that
// it does not exist.
func field(v reflect.Value, name string) reflect.Value {
	for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return reflect.Value{}
	}
	return v.FieldByName(name)
}

// empty takes packets out of a queue until it is closed. The connection is closed, so that
// happens soon.
func empty(packets <-chan []byte) {
	for range packets {
	}
}

// earlyBytes is less than 17 encrypted packets have, of at least 26 bytes each. A client
// sends about 150 until the server answers.
const earlyBytes = 400

// early limits what is read between the server's key, after which the client can encrypt
// packets, and the end of the key exchange.
type early struct {
	began atomic.Bool
	over  chan struct{} // closed at the end
	left  int           // bytes; used by the reader only
}

func newEarly() early { return early{over: make(chan struct{}), left: earlyBytes} }

func (e *early) begin() { e.began.Store(true) }

func (e *early) end() { close(e.over) }

// before returns how many of size bytes may be read. At the limit, it waits until the key
// exchange is finished, or halted is closed.
func (e *early) before(size int, halted <-chan struct{}) (int, error) {
	if !e.began.Load() {
		return size, nil
	}
	select {
	case <-e.over:
		return size, nil
	default:
	}
	if e.left > 0 {
		return min(size, e.left), nil
	}
	patience := time.NewTimer(KeyExchangeTimeout)
	defer patience.Stop()
	select {
	case <-e.over:
		return size, nil
	case <-halted:
		return 0, net.ErrClosed
	case <-patience.C:
		return 0, os.ErrDeadlineExceeded
	}
}

func (e *early) after(n int) {
	if e.began.Load() {
		e.left -= n
	}
}
