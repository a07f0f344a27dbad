package sshd

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
)

// errNotAuthorised is the one answer to a wrong key and to an unknown user.
var errNotAuthorised = errors.New("not authorised")

// identity is the key of ExtraData under which the verified key is kept.
type identity struct{}

// login is one connection's attempt to log in.
type login struct {
	server *Server
	// offered is the fingerprint of the last key that was offered, for the
	// log. It proves nothing: only identity does.
	offered string
}

// config gives the connection's own copy of the server's configuration.
func (l *login) config() *ssh.ServerConfig {
	config := *l.server.sshConfig
	config.PublicKeyCallback = l.offer
	config.VerifiedPublicKeyCallback = l.verified
	config.BannerCallback = l.banner
	return &config
}

// offer decides whether a key may log in. A client can offer any key without
// having it, so nothing about the connection may be derived from this call.
// The key is looked up whoever the user is, so that an unknown user costs the
// same time as a wrong key.
func (l *login) offer(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	l.offered = sshkeys.Fingerprint(key)
	authorised, err := l.server.keys.contains(key)
	if err != nil {
		l.server.log.Error("nobody can log in", "error", err)
		return nil, errNotAuthorised
	}
	if !authorised || l.server.accounts[conn.User()] == nil {
		return nil, errNotAuthorised
	}
	return &ssh.Permissions{}, nil
}

// verified runs once the client has proved that it has the key. This key, and
// no other, is who the connection belongs to.
func (l *login) verified(_ ssh.ConnMetadata, key ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	return &ssh.Permissions{ExtraData: map[any]any{identity{}: key}}, nil
}

// banner says what a user who tries root would otherwise not find out. It
// depends on the name alone.
func (l *login) banner(conn ssh.ConnMetadata) string {
	if conn.User() != rootName || l.server.accounts[rootName] != nil {
		return ""
	}
	return fmt.Sprintf("This box has no root login: connect as %s. Root needs a flavor that grants it.\r\n", l.server.cfg.Box.User)
}

// verifiedKey gives the key that a connection has proved.
func verifiedKey(conn *ssh.ServerConn) (ssh.PublicKey, error) {
	if conn.Permissions != nil {
		if key, ok := conn.Permissions.ExtraData[identity{}].(ssh.PublicKey); ok {
			return key, nil
		}
	}
	return nil, errors.New("the connection has no verified key")
}
