package sshd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// Probe connects to the server at address as a client does, and checks that it
// accepts the connection and completes a key exchange with this server's host
// key. The server neither logs the connection nor counts it among those that
// wait to authenticate.
func (s *Server) Probe(ctx context.Context, address string) error {
	nc, forget, err := s.dialSelf(ctx, address)
	if err != nil {
		return fmt.Errorf("the SSH server does not accept connections: %w", err)
	}
	defer forget()
	defer nc.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return fmt.Errorf("the SSH server does not accept connections: %w", err)
		}
	}
	exchanged := false
	var wrongKey error
	config := &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: []string{ssh.KeyExchangeCurve25519}},
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			if !bytes.Equal(key.Marshal(), s.cfg.HostKey.PublicKey().Marshal()) {
				wrongKey = errors.New("the SSH server has a different host key")
				return wrongKey
			}
			exchanged = true
			return nil
		},
	}
	// The probe offers no key, so the login fails after the key exchange.
	client, _, _, err := ssh.NewClientConn(nc, address, config)
	if err == nil {
		client.Close()
		return errors.New("the SSH server accepts a login without a key")
	}
	switch {
	case wrongKey != nil:
		return wrongKey
	case !exchanged || ctx.Err() != nil:
		return fmt.Errorf("the SSH server does not exchange keys: %w", err)
	}
	return nil
}

// dialSelf connects to the server from a port that is registered as a probe's
// before the server sees the connection.
func (s *Server) dialSelf(ctx context.Context, address string) (nc net.Conn, forget func(), err error) {
	forget = func() {}
	dialer := net.Dialer{Control: func(network, _ string, raw syscall.RawConn) error {
		var source string
		var bind error
		if err := raw.Control(func(fd uintptr) { source, bind = bindLoopback(network, int(fd)) }); err != nil {
			return err
		}
		if bind == nil {
			s.probes.Store(source, nil)
			forget = func() { s.probes.Delete(source) }
		}
		return bind
	}}
	nc, err = dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		forget()
		return nil, nil, err
	}
	return nc, forget, nil
}

// bindLoopback binds a socket to a free port, and returns the address that the
// other side of its connection will see.
func bindLoopback(network string, fd int) (string, error) {
	var want unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	if network == "tcp6" {
		want = &unix.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	if err := unix.Bind(fd, want); err != nil {
		return "", err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return "", err
	}
	switch address := bound.(type) {
	case *unix.SockaddrInet4:
		return (&net.TCPAddr{IP: address.Addr[:], Port: address.Port}).String(), nil
	case *unix.SockaddrInet6:
		return (&net.TCPAddr{IP: address.Addr[:], Port: address.Port}).String(), nil
	}
	return "", errors.New("the socket's address has an unknown type")
}

// handshakeOnly serves a probe.
func (s *Server) handshakeOnly(nc net.Conn) {
	defer nc.Close()
	defer s.survive("probe")
	attempt := &login{server: s}
	// A probe never logs in, so this always returns an error.
	_, _, _, _ = s.cfg.Timeouts.Handshake(nc, attempt.config())
}
