package spawner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/internal/agent/descriptor"
	"devserver.io/devserver/internal/agent/spawnapi"
)

// serveListen passes listening sockets to the SSH server, and stops listening when the
// SSH server closes the connection.
func (s *Server) serveListen(c *spawnapi.Conn, request *spawnapi.Listen, relay bool) error {
	a, err := s.account(request.Account)
	if err != nil {
		return err
	}
	opened, err := a.listen(request)
	if err != nil {
		return err
	}
	defer opened.stop()
	r := spawnapi.Reply{Port: opened.port, AgentSocket: opened.agentSocket}
	if relay {
		return s.relayListeners(c, r, opened.sockets)
	}
	files, err := filesOf(opened.sockets)
	if err != nil {
		return err
	}
	err = reply(c, r, files...)
	descriptor.CloseAll(files)
	if errors.Is(err, unix.ETOOMANYREFS) {
		return s.relayListeners(c, r, opened.sockets)
	}
	if err == nil {
		_, _ = io.Copy(io.Discard, c) // until the SSH server closes it
	}
	return nil
}

// relayListeners accepts connections, and offers each to the SSH server as a stream.
func (s *Server) relayListeners(c *spawnapi.Conn, r spawnapi.Reply, sockets []socketListener) error {
	r.Relayed = true
	if err := reply(c, r); err != nil {
		return err
	}
	accepted := make(chan net.Conn)
	gone := make(chan struct{})
	for _, socket := range sockets {
		go func() {
			for {
				conn, err := socket.Accept()
				if err != nil {
					return
				}
				select {
				case accepted <- conn:
				case <-gone:
					conn.Close()
				}
			}
		}()
	}
	go func() {
		defer close(gone)
		_, _ = io.Copy(io.Discard, c)
	}()
	for {
		select {
		case conn := <-accepted:
			numbers, release := s.streams.add(conn.(io.ReadWriteCloser))
			time.AfterFunc(requestTimeout, release) // has no effect if the SSH server has attached
			if err := c.Send(spawnapi.Accepted{Stream: numbers[0]}); err != nil {
				return err
			}
		case <-gone:
			return nil
		}
	}
}

// serveDial connects to a unix socket with the rights of the account.
func (s *Server) serveDial(c *spawnapi.Conn, request *spawnapi.Dial, relay bool) error {
	a, err := s.account(request.Account)
	if err != nil {
		return err
	}
	var conn net.Conn
	err = a.as(func() (err error) {
		var dialer net.Dialer
		ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
		defer cancel()
		conn, err = dialer.DialContext(ctx, "unix", a.inHome(string(request.Path)))
		return err
	})
	if err != nil {
		return err
	}
	if !relay {
		err := replyConn(c, conn)
		if !errors.Is(err, unix.ETOOMANYREFS) {
			conn.Close()
			return err
		}
	}
	numbers, release := s.streams.add(conn.(io.ReadWriteCloser))
	defer release()
	err = reply(c, spawnapi.Reply{Relayed: true, Streams: numbers})
	if err == nil {
		_, _ = io.Copy(io.Discard, c) // until the SSH server has attached to the stream
	}
	return err
}

// replyConn replies with a connected socket.
func replyConn(c *spawnapi.Conn, conn net.Conn) error {
	files, err := filesOf([]*net.UnixConn{conn.(*net.UnixConn)})
	if err != nil {
		return err
	}
	defer descriptor.CloseAll(files)
	return reply(c, spawnapi.Reply{}, files...)
}

// socket is a TCP or unix socket.
type socket interface{ File() (*os.File, error) }

func filesOf[S socket](sockets []S) ([]*os.File, error) {
	var files []*os.File
	for _, s := range sockets {
		file, err := s.File()
		if err != nil {
			descriptor.CloseAll(files)
			return nil, fmt.Errorf("passing on a socket: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
}

// listening has the sockets of a request to listen.
type listening struct {
	sockets     []socketListener
	port        uint16
	agentSocket string
	stop        func()
}

// socketListener is a TCP or unix listener.
type socketListener interface {
	net.Listener
	socket
}

func (a *account) listen(request *spawnapi.Listen) (listening, error) {
	switch request.Network {
	case spawnapi.NetworkAgent:
		listener, remove, err := a.agents.add()
		if err != nil {
			return listening{}, err
		}
		return listening{sockets: []socketListener{listener}, agentSocket: a.agents.link(), stop: remove}, nil
	case spawnapi.NetworkUnix:
		listener, stop, err := a.listenUnix(a.inHome(string(request.Path)))
		if err != nil {
			return listening{}, err
		}
		return listening{sockets: []socketListener{listener}, stop: stop}, nil
	case spawnapi.NetworkTCP:
		var opened listening
		err := a.as(func() (err error) {
			opened, err = listenLoopback(request.Port)
			return err
		})
		return opened, err
	}
	return listening{}, fmt.Errorf("this server cannot listen on a network %q until it is restarted", request.Network)
}

// listenLoopback listens on both loopback addresses, or on 127.0.0.1 only if
// [::1] is not available. Port 0 means any port, the same for both addresses.
func listenLoopback(port uint16) (listening, error) {
	first, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(port))))
	if err != nil {
		return listening{}, err
	}
	if address, ok := first.Addr().(*net.TCPAddr); ok {
		port = uint16(address.Port)
	}
	opened := listening{sockets: []socketListener{first.(*net.TCPListener)}, port: port}
	if second, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(int(port)))); err == nil {
		opened.sockets = append(opened.sockets, second.(*net.TCPListener))
	}
	opened.stop = func() {
		for _, listener := range opened.sockets {
			listener.Close()
		}
	}
	return opened, nil
}

// listenUnix listens, with the account's rights, on a unix socket that only its owner
// can use. An existing socket is replaced, as with sshd's StreamLocalBindUnlink, because
// a lost connection may have left it. Any other existing file is an error.
func (a *account) listenUnix(path string) (*net.UnixListener, func(), error) {
	var listener *net.UnixListener
	var mine fs.FileInfo
	err := a.as(func() (err error) {
		listener, mine, err = listenUnix(path)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return listener, func() {
		_ = a.as(func() error {
			if now, err := os.Lstat(path); err == nil && os.SameFile(mine, now) {
				return os.Remove(path) // the folder may be deleted or read-only by now
			}
			return nil
		})
		listener.Close()
	}, nil
}

func listenUnix(path string) (listener *net.UnixListener, mine fs.FileInfo, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, nil, fmt.Errorf("replacing the socket: %w", err)
		}
	}
	listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	// Another connection may replace the socket with its own, which this one must
	// not remove when it ends.
	listener.SetUnlinkOnClose(false)
	mine, err = os.Lstat(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		listener.Close()
		return nil, nil, fmt.Errorf("protecting the socket: %w", err)
	}
	return listener, mine, nil
}
