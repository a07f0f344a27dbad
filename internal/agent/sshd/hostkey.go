package sshd

import (
	"fmt"
	"os"

	"golang.org/x/crypto/ssh"
)

// ReadHostKey reads the server's SSH host key.
func ReadHostKey(path string) (ssh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the SSH host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		// The parser's error is left out because it could contain parts of the key.
		return nil, fmt.Errorf("the SSH host key %s is not a private key in OpenSSH's format", path)
	}
	return key, nil
}
