// Package sshserver gives tests an SSH server in place of a dev server's, and keys.
package sshserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/sshpolicy"
)

// Server is an SSH server on a loopback port that runs commands on this machine.
type Server struct {
	Address string
	HostKey ssh.PublicKey
	// Started receives a value for each command that is started.
	Started <-chan struct{}
}

// New starts a server that accepts the user dev with any of keys. It stops when the test
// ends.
func New(t testing.TB, keys ...ssh.PublicKey) *Server {
	t.Helper()
	allowed := map[string]bool{}
	for _, key := range keys {
		allowed[sshkeys.Fingerprint(key)] = true
	}
	config := sshpolicy.ServerConfig()
	config.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if conn.User() != agentapi.User || !allowed[sshkeys.Fingerprint(key)] {
			return nil, errors.New("no")
		}
		return &ssh.Permissions{}, nil
	}
	hostKey := NewKey(t)
	config.AddHostKey(hostKey)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	started := make(chan struct{}, 64)
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(raw, config, started)
		}
	}()
	return &Server{Address: listener.Addr().String(), HostKey: hostKey.PublicKey(), Started: started}
}

func serve(raw net.Conn, config *ssh.ServerConfig, started chan<- struct{}) {
	_, channels, requests, err := sshpolicy.Handshake(raw, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for requested := range channels {
		channel, requests, err := requested.Accept()
		if err != nil {
			return
		}
		go func() {
			for request := range requests {
				if request.Type != "exec" {
					_ = request.Reply(false, nil)
					continue
				}
				_ = request.Reply(true, nil)
				started <- struct{}{}
				status := run(channel, request.Payload)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
				_ = channel.Close()
			}
		}()
	}
}

func run(channel ssh.Channel, payload []byte) (status uint32) {
	var line struct{ Command string }
	if err := ssh.Unmarshal(payload, &line); err != nil {
		return 1
	}
	command := exec.Command("/bin/sh", "-c", line.Command)
	command.Stdout, command.Stderr = channel, channel.Stderr()
	// Not command.Stdin, because Run would then wait until the client sends EOF.
	stdin, err := command.StdinPipe()
	if err != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	_ = command.Run()
	return uint32(max(0, command.ProcessState.ExitCode()))
}

// NewKey returns a new ed25519 key.
func NewKey(t testing.TB) ssh.Signer {
	t.Helper()
	signer, _ := newKey(t)
	return signer
}

// WriteKey returns a new ed25519 key and writes its private half to file.
func WriteKey(t testing.TB, file string) ssh.Signer {
	t.Helper()
	signer, private := newKey(t)
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	return signer
}

func newKey(t testing.TB) (ssh.Signer, ed25519.PrivateKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, private
}
