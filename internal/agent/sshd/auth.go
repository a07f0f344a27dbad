package sshd

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
)

// errNotAuthorised answers both a wrong key and an unknown user, so that a
// client cannot find out which names exist.
var errNotAuthorised = errors.New("not authorised")

// rootName is the account that Config.RootLogin adds.
const rootName = "root"

// identity is the key under which ExtraData holds the verified public key.
type identity struct{}

// login is one connection's attempt to log in.
type login struct {
	server *Server
	// offered is the fingerprint of the key that the client offered last. It is
	// for the log only: the client may not have that key.
	offered string
}

// config returns a copy of the server's configuration for this connection.
func (l *login) config() *ssh.ServerConfig {
	config := *l.server.sshConfig
	config.PublicKeyCallback = l.offer
	config.VerifiedPublicKeyCallback = l.verified
	config.BannerCallback = l.banner
	return &config
}

// offer decides whether a key may log in. A client can offer a key that it does
// not have, so nothing about the connection may be derived from this call. The
// key is looked up even if the user is unknown, so that an unknown user takes
// the same time as a wrong key.
func (l *login) offer(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	l.offered = sshkeys.Fingerprint(key)
	authorised, err := l.server.keys.contains(key)
	if err != nil {
		l.server.log.Error("login refused: cannot check the key", "error", err)
		return nil, errNotAuthorised
	}
	if !authorised || !l.server.accounts[conn.User()] {
		return nil, errNotAuthorised
	}
	return &ssh.Permissions{}, nil
}

// verified runs once the client has proved that it has the key. The connection
// belongs to this key, whichever keys the client offered before.
func (l *login) verified(_ ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	if err := l.server.limits.connections.Check(sshkeys.Fingerprint(key), 1); err != nil {
		err = fmt.Errorf("too many connections are open: %w", err)
		return nil, &ssh.BannerError{Err: err, Message: err.Error() + ". Close other connections first.\r\n"}
	}
	return &ssh.Permissions{ExtraData: map[any]any{identity{}: key}}, nil
}

// banner explains to a client that tries to log in as root why that fails. It
// depends on the name only, so it reveals nothing about keys.
func (l *login) banner(conn ssh.ConnMetadata) string {
	if conn.User() != rootName || l.server.accounts[rootName] {
		return ""
	}
	return fmt.Sprintf("This server has no root login: connect as %s. Root access requires a flavor that grants it.\r\n", l.server.cfg.User)
}

// verifiedKey returns the public key that the client has proved to have.
func verifiedKey(conn *ssh.ServerConn) (ssh.PublicKey, error) {
	if conn.Permissions != nil {
		if key, ok := conn.Permissions.ExtraData[identity{}].(ssh.PublicKey); ok {
			return key, nil
		}
	}
	return nil, errors.New("the connection has no verified key")
}
