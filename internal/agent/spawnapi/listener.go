package spawnapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"devserver.io/devserver/internal/agent/descriptor"
)

// Listener accepts connections in the user's container.
type Listener struct {
	// Port is that of NetworkTCP, and AgentSocket the path of NetworkAgent.
	Port        uint16
	AgentSocket string

	conn     *Conn
	sockets  []net.Listener
	accepted chan net.Conn
	// Close closes closed. gone is closed when the spawner has stopped listening.
	closed, gone chan struct{}
	close        sync.Once
}

const (
	// maxListeners is one for each loopback address.
	maxListeners = 2
	// closeTimeout is how long the spawner may take to stop listening.
	closeTimeout = 2 * time.Second
)

// Listen listens in the user's container. The caller must call Close.
func (c *Client) Listen(ctx context.Context, listen Listen) (*Listener, error) {
	relay, err := c.relays(ctx)
	if err != nil {
		return nil, err
	}
	conn, reply, files, err := c.request(ctx, Request{Relay: relay, Listen: &listen})
	if err != nil {
		return nil, err
	}
	l := &Listener{
		Port: reply.Port, AgentSocket: reply.AgentSocket, conn: conn,
		accepted: make(chan net.Conn), closed: make(chan struct{}), gone: make(chan struct{}),
	}
	if reply.Relayed {
		descriptor.CloseAll(files)
		// The listener outlives the request.
		go l.acceptRelayed(context.WithoutCancel(ctx), c)
		return l, nil
	}
	if len(files) == 0 || len(files) > maxListeners {
		descriptor.CloseAll(files)
		conn.Close()
		return nil, fmt.Errorf("the spawner sent %d listening sockets", len(files))
	}
	for _, file := range files {
		socket, socketErr := listenerOf(file)
		if socketErr != nil {
			err = socketErr
			continue
		}
		l.sockets = append(l.sockets, socket)
	}
	go l.awaitEnd(listen.Network)
	if err != nil {
		l.Close()
		return nil, err
	}
	for _, socket := range l.sockets {
		go l.accept(socket)
	}
	return l, nil
}

// Accept returns the next connection, or net.ErrClosed after Close.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Closed is closed once the listener accepts no more.
func (l *Listener) Closed() <-chan struct{} { return l.closed }

// Close stops listening, and waits until the address is free.
func (l *Listener) Close() {
	l.close.Do(func() {
		close(l.closed)
		for _, socket := range l.sockets {
			// The spawner can put the socket into blocking mode, and Close waits for an
			// Accept that blocks.
			if raw, ok := socket.(syscall.Conn); ok {
				shutDown(raw)
			}
			go socket.Close()
		}
		_ = l.conn.CloseWrite()
		select {
		case <-l.gone:
		case <-time.After(closeTimeout):
		}
		l.conn.Close()
	})
}

// awaitEnd waits until the spawner stops listening. It then closes a unix socket, because
// clients can no longer find its path. A TCP port belongs to the whole pod, so the SSH
// server can still accept connections to it.
func (l *Listener) awaitEnd(network string) {
	_, _ = io.Copy(io.Discard, l.conn)
	close(l.gone)
	if network != NetworkTCP {
		l.Close()
	}
}

func (l *Listener) accept(socket net.Listener) {
	for {
		conn, err := socket.Accept()
		if err != nil {
			return
		}
		l.deliver(conn)
	}
}

func (l *Listener) acceptRelayed(ctx context.Context, c *Client) {
	defer l.Close()
	defer close(l.gone)
	for {
		var message Accepted
		files, err := l.conn.Receive(&message, maxMessage)
		descriptor.CloseAll(files)
		if err != nil {
			return
		}
		if conn, err := c.attach(ctx, message.Stream); err == nil {
			l.deliver(conn)
		}
	}
}

func (l *Listener) deliver(conn net.Conn) {
	select {
	case l.accepted <- conn:
	case <-l.closed:
		conn.Close()
	}
}
