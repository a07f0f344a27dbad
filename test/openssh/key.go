// Package openssh drives the stock OpenSSH client against one server: a key made
// by ssh-keygen, and a client configuration that knows the server's host key and
// accepts no other.
package openssh

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Key is a key pair in a folder.
type Key struct {
	// File is the private key's.
	File string
	// Public is the line of the .pub file.
	Public string
}

// NewKey makes a key pair of a type ("ed25519", "rsa", "ecdsa") in dir.
func NewKey(ctx context.Context, dir, name, keyType string) (Key, error) {
	file := filepath.Join(dir, name)
	out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", keyType, "-N", "", "-C", name, "-f", file).CombinedOutput()
	if err != nil {
		return Key{}, fmt.Errorf("ssh-keygen: %w: %s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		return Key{}, err
	}
	return Key{File: file, Public: strings.TrimSpace(string(public))}, nil
}
