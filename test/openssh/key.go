// Package openssh runs the stock OpenSSH client against one server. It creates keys with
// ssh-keygen, and a client configuration that accepts only the server's host key.
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
	// File is the path of the private key.
	File string
	// Public is the line of the .pub file.
	Public string
}

// NewKey creates a key pair of a type ("ed25519", "rsa", "ecdsa") in dir.
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
