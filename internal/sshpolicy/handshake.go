package sshpolicy

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// Handshake does the server's part of the key exchange and the login on raw,
// each within its time, and leaves raw without a deadline. On an error raw is
// closed.
func Handshake(raw net.Conn, config *ssh.ServerConfig) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	limited := *config
	limited.PreAuthConnCallback = func(conn ssh.ServerPreAuthConn) {
		// An error means that raw is gone, which the next read finds out.
		_ = raw.SetDeadline(time.Now().Add(LoginTimeout))
		if config.PreAuthConnCallback != nil {
			config.PreAuthConnCallback(conn)
		}
	}
	_ = raw.SetDeadline(time.Now().Add(KeyExchangeTimeout))
	conn, channels, requests, err := ssh.NewServerConn(raw, &limited)
	if err != nil {
		_ = raw.Close()
		return nil, nil, nil, fmt.Errorf("login from %s: %w", raw.RemoteAddr(), err)
	}
	_ = raw.SetDeadline(time.Time{})
	return conn, channels, requests, nil
}
