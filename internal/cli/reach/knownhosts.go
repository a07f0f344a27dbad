package reach

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/dotfile"
)

// writeKnownHosts writes the known_hosts file for ds and returns its name. The name
// contains a hash of the content, because two clusters may have servers of the
// same name, and sessions to both may start at the same time.
func writeKnownHosts(ds *devserverv1.DevServer) (string, error) {
	line, err := KnownHost(ds)
	if err != nil {
		return "", err
	}
	if _, ok := gatewayOf(ds); ok {
		gateway, err := KnownGateway(ds)
		if err != nil {
			return "", err
		}
		line += gateway
	}
	sum := sha256.Sum256([]byte(line))
	dir, err := dotfile.Dir("XDG_STATE_HOME", ".local/state") // devctl can create it again.
	if err != nil {
		return "", fmt.Errorf("finding a directory for known hosts: %w", err)
	}
	file := filepath.Join(dir, "known_hosts.d", Alias(ds)+"-"+hex.EncodeToString(sum[:6]))
	if err := dotfile.Write(file, line); err != nil {
		return "", fmt.Errorf("writing the host key of DevServer %s: %w", ds.Name, err)
	}
	return file, nil
}

// ErrNoHostKey is the error for a server without a host key.
var ErrNoHostKey = errors.New("its status has no host key yet")

// KnownHost is the line of a known_hosts file for ds. It returns an error if a name or an
// address of ds cannot be written into ssh's configuration.
func KnownHost(ds *devserverv1.DevServer) (string, error) {
	if err := check(ds); err != nil {
		return "", fmt.Errorf("logging in to DevServer %s: %w", ds.Name, err)
	}
	if ds.Status.SSH == nil || ds.Status.SSH.HostKey == "" {
		return "", fmt.Errorf("logging in to DevServer %s: %w", ds.Name, ErrNoHostKey)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(ds.Status.SSH.HostKey))
	if err != nil {
		return "", fmt.Errorf("logging in to DevServer %s: the host key in its status cannot be decoded: %w", ds.Name, err)
	}
	return Alias(ds) + " " + string(ssh.MarshalAuthorizedKey(key)), nil
}
