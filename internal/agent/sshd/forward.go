package sshd

import (
	"errors"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

// forwards holds the listeners that a connection has opened for its client
// (ssh -R).
type forwards struct {
	conn *conn

	mu        sync.Mutex
	closed    bool
	listeners map[string]func() // closes a listener, by the client's name for it
}

func newForwards(c *conn) *forwards {
	return &forwards{conn: c, listeners: map[string]func(){}}
}

var errForwarded = errors.New("this address is already forwarded")

// add adds a listener under the client's name for it.
func (f *forwards) add(name string, stop func()) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	if f.listeners[name] != nil {
		return errForwarded
	}
	f.listeners[name] = stop
	return nil
}

func (f *forwards) has(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.listeners[name] != nil
}

// cancel closes a listener, and reports whether it existed.
func (f *forwards) cancel(name string) bool {
	f.mu.Lock()
	stop := f.listeners[name]
	delete(f.listeners, name)
	f.mu.Unlock()
	if stop == nil {
		return false
	}
	stop()
	return true
}

func (f *forwards) closeAll() {
	f.mu.Lock()
	f.closed = true
	listeners := f.listeners
	f.listeners = nil
	f.mu.Unlock()
	for _, stop := range listeners {
		stop()
	}
}

// serve opens a channel to the client for each connection to the listener.
func (f *forwards) serve(listener net.Listener, channelType string, payload func(net.Conn) []byte) {
	for {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer f.conn.server.survive(channelType)
			stream, requests, err := f.conn.ssh.OpenChannel(channelType, payload(socket))
			if err != nil {
				socket.Close()
				return
			}
			f.conn.joinChannel(stream, requests, socket)
		}()
	}
}

// tcpForward is the payload of tcpip-forward and its cancellation: RFC 4254,
// section 7.1.
type tcpForward struct {
	Address string
	Port    uint32
}

func (r tcpForward) name() string {
	return "tcp " + net.JoinHostPort(r.Address, strconv.Itoa(int(r.Port)))
}

// forwardTCP binds the loopback addresses, whatever address the client requests.
func (c *conn) forwardTCP(request *ssh.Request) (ok bool, reply []byte) {
	var want tcpForward
	if err := ssh.Unmarshal(request.Payload, &want); err != nil || want.Port > 65535 {
		return false, nil
	}
	var listeners []net.Listener
	var port int
	err := c.account.as(func() (err error) {
		listeners, port, err = listenLoopback(int(want.Port))
		return err
	})
	if err != nil {
		c.log.Info("remote forward refused", "port", want.Port, "reason", err.Error())
		return false, nil
	}
	stop := func() {
		for _, listener := range listeners {
			listener.Close()
		}
	}
	anyPort := want.Port == 0
	want.Port = uint32(port)
	if err := c.forwards.add(want.name(), stop); err != nil {
		stop()
		return false, nil
	}
	for _, listener := range listeners {
		go c.forwards.serve(listener, "forwarded-tcpip", func(socket net.Conn) []byte {
			return forwardedTCP(want, socket.RemoteAddr())
		})
	}
	if anyPort {
		reply = ssh.Marshal(struct{ Port uint32 }{want.Port})
	}
	return true, reply
}

func (c *conn) cancelTCP(request *ssh.Request) (ok bool, reply []byte) {
	var which tcpForward
	if err := ssh.Unmarshal(request.Payload, &which); err != nil {
		return false, nil
	}
	return c.forwards.cancel(which.name()), nil
}

// forwardedTCP returns the payload that tells the client to which of its
// forwards a connection belongs. It names the address as the client did.
func forwardedTCP(forward tcpForward, origin net.Addr) []byte {
	payload := struct {
		Address    string
		Port       uint32
		Origin     string
		OriginPort uint32
	}{Address: forward.Address, Port: forward.Port}
	if tcp, ok := origin.(*net.TCPAddr); ok {
		payload.Origin, payload.OriginPort = tcp.IP.String(), uint32(tcp.Port)
	}
	return ssh.Marshal(payload)
}

// listenLoopback listens on both loopback addresses, or on 127.0.0.1 only if
// [::1] is not available. Port 0 means any port, the same for both addresses.
func listenLoopback(port int) (listeners []net.Listener, bound int, err error) {
	first, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, 0, err
	}
	listeners = append(listeners, first)
	if address, ok := first.Addr().(*net.TCPAddr); ok {
		port = address.Port
	}
	if second, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(port))); err == nil {
		listeners = append(listeners, second)
	}
	return listeners, port, nil
}
