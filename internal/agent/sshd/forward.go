package sshd

import (
	"errors"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agent/spawnapi"
)

// forwards holds the listeners that a connection has opened for its client
// (ssh -R).
type forwards struct {
	conn *conn

	mu        sync.Mutex
	closed    bool
	listeners map[string]*spawnapi.Listener // by the client's name for it
}

func newForwards(c *conn) *forwards {
	return &forwards{conn: c, listeners: map[string]*spawnapi.Listener{}}
}

var errForwarded = errors.New("this address is already forwarded")

// add adds a listener under the client's name for it.
func (f *forwards) add(name string, listener *spawnapi.Listener) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return net.ErrClosed
	}
	if f.listeners[name] != nil {
		return errForwarded
	}
	// A listener counts as a channel.
	if err := f.conn.server.limits.channels.Take(f.conn.user, 1); err != nil {
		return err
	}
	f.listeners[name] = listener
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
	listener := f.listeners[name]
	delete(f.listeners, name)
	f.mu.Unlock()
	if listener == nil {
		return false
	}
	listener.Close()
	f.conn.server.limits.channels.Give(f.conn.user, 1)
	return true
}

func (f *forwards) closeAll() {
	f.mu.Lock()
	f.closed = true
	listeners := f.listeners
	f.listeners = nil
	f.mu.Unlock()
	var closing sync.WaitGroup
	for _, listener := range listeners {
		closing.Go(listener.Close)
	}
	closing.Wait()
	f.conn.server.limits.channels.Give(f.conn.user, int64(len(listeners)))
}

// serve opens a channel to the client for each connection to the listener.
func (f *forwards) serve(listener *spawnapi.Listener, channelType string, payload func(net.Conn) []byte) {
	for {
		socket, err := listener.Accept()
		if err != nil {
			return
		}
		if f.conn.server.limits.channels.Take(f.conn.user, 1) != nil {
			socket.Close()
			continue
		}
		go func() {
			defer f.conn.server.limits.channels.Give(f.conn.user, 1)
			defer f.conn.server.survive(channelType)
			stream, err := f.conn.intake.Open(f.conn.ssh, channelType, payload(socket))
			if err != nil {
				socket.Close()
				return
			}
			f.conn.joinChannel(stream, socket)
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

// listen listens in the user's container. If the client has disconnected, it returns an
// error.
func (c *conn) listen(request spawnapi.Listen) (*spawnapi.Listener, error) {
	request.Account = c.account
	return c.server.cfg.Spawner.Listen(c.ctx, request)
}

// forwardTCP binds the loopback addresses, whatever address the client requests.
func (c *conn) forwardTCP(request *ssh.Request) (ok bool, reply []byte) {
	var want tcpForward
	if err := ssh.Unmarshal(request.Payload, &want); err != nil || want.Port > 65535 {
		return false, nil
	}
	listener, err := c.listen(spawnapi.Listen{Network: spawnapi.NetworkTCP, Port: uint16(want.Port)})
	if err != nil {
		c.log.Info("remote forward refused", "port", want.Port, "reason", err.Error())
		return false, nil
	}
	anyPort := want.Port == 0
	want.Port = uint32(listener.Port)
	if err := c.forwards.add(want.name(), listener); err != nil {
		listener.Close()
		return false, nil
	}
	go c.forwards.serve(listener, "forwarded-tcpip", func(socket net.Conn) []byte {
		return forwardedTCP(want, socket.RemoteAddr())
	})
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

// unixForward is the payload of streamlocal-forward@openssh.com and of its
// cancellation: OpenSSH's PROTOCOL, section 2.4.
type unixForward struct {
	Path string
}

func (r unixForward) name() string { return "unix " + r.Path }

func (c *conn) forwardUnix(request *ssh.Request) (ok bool, reply []byte) {
	var want unixForward
	if err := ssh.Unmarshal(request.Payload, &want); err != nil || want.Path == "" {
		return false, nil
	}
	if c.forwards.has(want.name()) {
		return false, nil // listening again would replace this connection's own socket
	}
	listener, err := c.listen(spawnapi.Listen{Network: spawnapi.NetworkUnix, Path: []byte(want.Path)})
	if err != nil {
		c.log.Info("remote forward refused", "reason", err.Error())
		return false, nil
	}
	if err := c.forwards.add(want.name(), listener); err != nil {
		listener.Close()
		return false, nil
	}
	go c.forwards.serve(listener, "forwarded-streamlocal@openssh.com", func(net.Conn) []byte {
		return ssh.Marshal(struct{ Path, Reserved string }{want.Path, ""})
	})
	return true, nil
}

func (c *conn) cancelUnix(request *ssh.Request) (ok bool, reply []byte) {
	var which unixForward
	if err := ssh.Unmarshal(request.Payload, &which); err != nil {
		return false, nil
	}
	return c.forwards.cancel(which.name()), nil
}

// forwardAgent makes the client's agent available on the server, once for each
// connection.
func (c *conn) forwardAgent() error {
	c.forwarding.Lock()
	defer c.forwarding.Unlock()
	if c.agentForwarded() {
		return nil
	}
	listener, err := c.listen(spawnapi.Listen{Network: spawnapi.NetworkAgent})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.agent = listener
	c.mu.Unlock()
	if c.ctx.Err() != nil {
		listener.Close() // The connection has ended, and close may not have seen c.agent.
		return net.ErrClosed
	}
	go c.forwards.serve(listener, "auth-agent@openssh.com", func(net.Conn) []byte { return nil })
	return nil
}

// agentForwarded reports whether the client's agent can be reached. After the user's
// container has been restarted, the agent must be forwarded again.
func (c *conn) agentForwarded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.agent == nil {
		return false
	}
	select {
	case <-c.agent.Closed():
		return false
	default:
		return true
	}
}
