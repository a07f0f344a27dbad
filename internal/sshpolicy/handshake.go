package sshpolicy

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	// KeyExchangeTimeout limits the time from a connection's begin until the server has
	// sent its key. That requires no user input.
	KeyExchangeTimeout = 10 * time.Second
	// LoginTimeout limits the rest of the key exchange, in which ssh asks a user whether the
	// server's key is right, and then the rest of the login, during which a user may have
	// to type a passphrase or touch a hardware key.
	LoginTimeout = 2 * time.Minute
)

// Timeouts limit a login.
type Timeouts struct{ KeyExchange, Login time.Duration }

// Handshake performs the server's side of the key exchange and the login on raw, within
// KeyExchangeTimeout and LoginTimeout. Afterwards raw has no deadline. On an error, raw is
// closed.
func Handshake(raw net.Conn, config *ssh.ServerConfig) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	return Timeouts{KeyExchangeTimeout, LoginTimeout}.Handshake(raw, config)
}

// Handshake is the function Handshake with other timeouts.
func (t Timeouts) Handshake(raw net.Conn, config *ssh.ServerConfig) (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	c, limited := raw.(interface {
		keySent()
		greet(conn ssh.ServerPreAuthConn)
	})
	timed := *config
	timed.PreAuthConnCallback = func(conn ssh.ServerPreAuthConn) {
		// An error means that raw is closed, which the next read reports.
		_ = raw.SetDeadline(time.Now().Add(t.Login))
		if limited {
			c.greet(conn)
		}
		if config.PreAuthConnCallback != nil {
			config.PreAuthConnCallback(conn)
		}
	}
	_ = raw.SetDeadline(time.Now().Add(t.KeyExchange))
	conn, channels, requests, err := ssh.NewServerConn(&exchange{Conn: raw, keySent: func() {
		_ = raw.SetDeadline(time.Now().Add(t.Login))
		if limited {
			c.keySent()
		}
	}}, &timed)
	if err != nil {
		_ = raw.Close()
		return nil, nil, nil, fmt.Errorf("login from %s: %w", raw.RemoteAddr(), err)
	}
	_ = raw.SetDeadline(time.Time{})
	return conn, channels, requests, nil
}

// exchangeWrites is how many writes a server needs for its version, its algorithms and its
// key.
const exchangeWrites = 3

// exchange is a connection that calls keySent once the server has sent its key.
type exchange struct {
	net.Conn

	writes  atomic.Int32
	keySent func()
}

func (e *exchange) Write(p []byte) (int, error) {
	n, err := e.Conn.Write(p)
	if e.writes.Load() < exchangeWrites && e.writes.Add(1) == exchangeWrites {
		e.keySent()
	}
	return n, err
}
