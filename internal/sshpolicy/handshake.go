package sshpolicy

import (
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
)

// Handshake performs the server's side of the key exchange and the login on raw, each
// within its timeout. Afterwards raw has no deadline. On an error, raw is closed.
func Handshake(raw net.Conn, config *ssh.ServerConfig) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	limited := *config
	limited.PreAuthConnCallback = func(conn ssh.ServerPreAuthConn) {
		// An error means that raw is closed, which the next read reports.
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
