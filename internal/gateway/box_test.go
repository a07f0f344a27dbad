package gateway

import (
	"net"
	"os/exec"
	"testing"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
	"devserver.io/devserver/internal/sshpolicy"
)

// sshBox makes an SSH server out of the box at ip, with its own host key,
// which runs commands for those who have one of keys. started gets a value for
// each command.
func (w *world) sshBox(t testing.TB, ip string, keys ...ssh.Signer) (hostKey ssh.PublicKey, started <-chan struct{}) {
	t.Helper()
	allowed := map[string]bool{}
	for _, key := range keys {
		allowed[sshkeys.Fingerprint(key.PublicKey())] = true
	}
	signer := newSigner(t)
	config := sshpolicy.ServerConfig()
	config.AddHostKey(signer)
	config.PublicKeyCallback = func(conn ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if conn.User() != "dev" || !allowed[sshkeys.Fingerprint(key)] {
			return nil, errUnknownKey
		}
		return &ssh.Permissions{}, nil
	}
	listener := listen(t)
	w.mu.Lock()
	w.routes[net.JoinHostPort(ip, "2222")] = listener.Addr().String()
	w.mu.Unlock()
	commands := make(chan struct{}, 16)
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go serveCommands(raw, config, commands)
		}
	}()
	return signer.PublicKey(), commands
}

func serveCommands(raw net.Conn, config *ssh.ServerConfig, commands chan<- struct{}) {
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
				var line struct{ Command string }
				_ = ssh.Unmarshal(request.Payload, &line)
				command := exec.Command("/bin/sh", "-c", line.Command)
				command.Stdin, command.Stdout, command.Stderr = channel, channel, channel.Stderr()
				commands <- struct{}{}
				_ = command.Run()
				exit(channel, uint32(max(0, command.ProcessState.ExitCode())))
				_ = channel.Close()
			}
		}()
	}
}
