package keys

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"devserver.io/devserver/internal/cli/dotfile"
)

// maxFile bounds a file with public keys.
const maxFile = 1 << 20

// private is how the files of private keys begin, in all formats.
const private = "-----BEGIN"

// fileKeys reads the keys of a file. The file of a private key stands for the public
// one beside it, and is not read.
func fileKeys(path string) ([]Key, error) {
	path, err := dotfile.Expand(path)
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(path, ".pub") {
		if _, err := os.Stat(path + ".pub"); err == nil {
			path += ".pub"
		}
	}
	text, err := readPublic(path)
	if err != nil {
		return nil, err
	}
	found, bad := parseLines(text, short(path))
	switch {
	case bad != nil:
		return nil, fmt.Errorf("reading the public key %s: %w", path, bad)
	case len(found) == 0:
		return nil, fmt.Errorf("the public key file %s is empty", path)
	}
	return found, nil
}

// readPublic reads a file, unless it turns out to be a private key.
func readPublic(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("public key file %s does not exist: create a key with ssh-keygen -t ed25519, or use --github USER", path)
	}
	if err != nil {
		return "", fmt.Errorf("reading the public key: %w", err)
	}
	defer func() { _ = file.Close() }() // It was only read.
	reader := bufio.NewReaderSize(io.LimitReader(file, maxFile), 16)
	// These first bytes of a private key are not secret.
	if begin, err := reader.Peek(len(private)); err == nil && string(begin) == private {
		return "", fmt.Errorf("%s is a private key, and the public key %s.pub beside it does not exist: to create it: ssh-keygen -y -f %s > %s.pub", path, path, path, path)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return "", fmt.Errorf("reading the public key %s: %w", path, err)
	}
	return string(text), nil
}

// usual are the names of the keys that ssh offers by default.
var usual = []string{"id_ed25519", "id_ecdsa", "id_ed25519_sk", "id_ecdsa_sk", "id_rsa"}

// homeKeys are the public keys in ~/.ssh. It skips files that cannot be read.
func homeKeys() (found []Key) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	for _, name := range usual {
		if keys, err := fileKeys(filepath.Join(home, ".ssh", name+".pub")); err == nil {
			found = append(found, keys...)
		}
	}
	return found
}

// patience is how long an SSH agent may take to answer.
const patience = 2 * time.Second

// agentKeys are the public keys of the SSH agent; none without an agent.
func agentKeys(ctx context.Context) (found []Key) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil
	}
	defer func() { _ = conn.Close() }() // Nothing was written that could be lost.
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline) // Without a deadline it waits longer.
	}
	listed, err := agent.NewClient(conn).List()
	if err != nil {
		return nil
	}
	for _, k := range listed {
		line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)) + " " + k.Comment)
		line = strings.Join(strings.Fields(line), " ")
		if key, err := Parse(line, "of your SSH agent"); err == nil {
			found = append(found, key)
		}
	}
	return found
}
