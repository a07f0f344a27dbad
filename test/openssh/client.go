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

// Host is the server's name in the client's configuration.
const Host = "server"

// Target is the information that a client needs to connect to a server.
type Target struct {
	Host    string // empty for a server without an address
	Port    int32
	HostKey string // "ssh-ed25519 AAAA…"
	Alias   string // the name of HostKey in known_hosts
	Key     Key
}

// Client is an OpenSSH client with a separate configuration. It does not use the keys, agent,
// known hosts and configuration of the account that runs it.
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
		// For all hosts, because status.ssh.command has its own address, port, user and alias.
		"Host *",
		"  IdentityFile "+t.Key.File,
		"  IdentitiesOnly yes",
		"  UserKnownHostsFile "+known,
		"  GlobalKnownHostsFile none",
		"  StrictHostKeyChecking yes",
		"  BatchMode yes",
		"  ConnectTimeout 20",
		// A dev server is Running when its SSH server answers. On a busy node, kube-proxy opens
		// the port a moment later.
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

// Tool prepares a program without the SSH variables of the caller's environment. The program
// is killed when ctx ends.
func Tool(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SSH_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// A ProxyCommand or background job may keep the pipes of a killed ssh open.
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// Do runs a prepared program to its end. It returns an error only if the program could not be
// run. The result has its exit code.
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
