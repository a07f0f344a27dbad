package openssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Host is the name of the server in the client's configuration.
const Host = "server"

// Target is what a client needs to know of a server.
type Target struct {
	Host    string // empty for one without an address of its own
	Port    int32
	HostKey string // "ssh-ed25519 AAAA…"
	Alias   string // under which HostKey is known
	Key     Key
}

// Client is OpenSSH with a configuration of its own: nothing of the account
// that runs it (keys, agent, known hosts, configuration) has a part in it.
type Client struct {
	// Config is the file for ssh -F.
	Config string
}

// NewClient writes the configuration and the known_hosts file into dir.
func NewClient(dir string, t Target) (*Client, error) {
	known := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(known, []byte(t.Alias+" "+t.HostKey+"\n"), 0o600); err != nil {
		return nil, err
	}
	lines := []string{"Host " + Host}
	if t.Host != "" {
		lines = append(lines, "  HostName "+t.Host, fmt.Sprintf("  Port %d", t.Port))
	}
	lines = append(lines,
		"  HostKeyAlias "+t.Alias,
		"  User dev",
		// Also for the line that status.ssh.command prints, which brings its
		// own address, port, user and alias.
		"Host *",
		"  IdentityFile "+t.Key.File,
		"  IdentitiesOnly yes",
		"  UserKnownHostsFile "+known,
		"  GlobalKnownHostsFile none",
		"  StrictHostKeyChecking yes",
		"  BatchMode yes",
		"  ConnectTimeout 20",
		// A server is Running when its SSH server answers; on a busy node kube-proxy
		// follows a moment later, and until then the port is closed.
		"  ConnectionAttempts 10",
		"  ServerAliveInterval 15",
		"  LogLevel ERROR",
	)
	config := filepath.Join(dir, "config")
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, err
	}
	return &Client{Config: config}, nil
}

// Result is how a command ended.
type Result struct {
	Stdout, Stderr string
	Code           int // -1 when a signal ended the client
}

// Command prepares "ssh OPTIONS server WORDS".
func (c *Client) Command(ctx context.Context, options []string, words ...string) *exec.Cmd {
	args := append([]string{"-F", c.Config}, options...)
	args = append(args, Host)
	return Tool(ctx, "ssh", append(args, words...)...)
}

// Tool prepares a program so that nothing of the caller's own SSH agent is in
// its surroundings, and so that the end of ctx ends it for sure.
func Tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SSH_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// A killed ssh may leave a ProxyCommand or a background job with its pipes.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Do runs a prepared program to its end. The error is about running it at all;
// how it ended is in the result.
func Do(cmd *exec.Cmd) (Result, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		r.Code, err = exit.ExitCode(), nil
	}
	return r, err
}
