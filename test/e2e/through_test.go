package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	contract "devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/test/openssh"
)

// TestEditorsThroughGateway uses a server through the gateway as VS Code Remote-SSH and
// JetBrains Gateway do: many channels on one connection, programs that are installed
// over it, SFTP, and forwards of all kinds. It does not use the server's own address.
func TestEditorsThroughGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	b = b.through(s.startGateway(b))
	b.want("whoami", "dev")
	for name, part := range map[string]func(*server){
		"SharedConnection":  sharedConnection,
		"Copies":            copies,
		"LocalForward":      localForward,
		"LocalForwardUnix":  localForwardUnix,
		"RemoteForward":     remoteForward,
		"RemoteForwardUnix": remoteForwardUnix,
		"DynamicForward":    dynamicForward,
		"AgentForward":      agentForward,
		"Terminal":          terminalSize,
	} {
		s.sub(name, func(s *site) { part(b.in(s)) })
	}
}

// through returns the server with a client that uses the gateway as a jump host. The
// client knows the server only by its name, which the gateway resolves.
func (b *server) through(gateway string) *server {
	b.Helper()
	own, err := os.ReadFile(b.client.Config)
	if err != nil {
		b.Fatal(err)
	}
	jump := strings.Join([]string{
		"Host " + openssh.Host, "  HostName " + b.ds.Name + "." + b.ds.Namespace, "  Port 22", "  ProxyJump gateway", "",
	}, "\n")
	config := filepath.Join(b.TempDir(), "config")
	if err := os.WriteFile(config, []byte(gateway+jump+string(own)), 0o600); err != nil {
		b.Fatal(err)
	}
	return &server{site: b.site, ds: b.ds, client: &openssh.Client{Config: config}}
}

// dynamicForward connects to the server's own SSH port through -D, as VS Code does.
func dynamicForward(b *server) {
	proxy := b.masterAtPort(func(address string) []string { return []string{"-D", address} })
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	// SOCKS 5 without a password, and its request for 127.0.0.1 (RFC 1928).
	request := []byte{5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, contract.SSHPort >> 8, contract.SSHPort & 255}
	answer := make([]byte, 2+10+len("SSH-2.0-"))
	if _, err := c.Write(request); err != nil {
		b.Fatal(err)
	}
	if n, err := io.ReadFull(c, answer); err != nil || string(answer[12:]) != "SSH-2.0-" {
		b.Errorf("through -D: %q, %v", answer[:n], err)
	}
}

// TestGatewayKilled: if the gateway is killed, its clients are disconnected at once, and
// their processes are still running when they connect through the next gateway.
func TestGatewayKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	direct := s.start(s.devServer("server"))
	config, kill := s.launchGateway(direct)
	b := direct.through(config)
	b.sh("tmux new-session -d -s work 'sleep 100005'")
	session := b.client.Command(b.bounded(), nil, "echo started; exec sleep 100006")
	out, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	b.line(out)
	patterns := map[string]string{"the tmux session": "^sleep 100005", "the command": "^sleep 100006"}
	for what, pattern := range patterns {
		b.eventually(what+" runs", func() bool { return direct.try(fmt.Sprintf("pgrep -f '%s'", pattern)).Code == 0 })
	}
	kill()
	if err := session.Wait(); err == nil || session.ProcessState.ExitCode() != 255 {
		t.Errorf("the client of the killed gateway ended with %v, want exit code 255", err)
	}
	again := direct.through(s.startGateway(direct))
	for what, pattern := range patterns {
		if r := again.try(fmt.Sprintf("pgrep -f '%s'", pattern)); r.Code != 0 {
			t.Errorf("%s did not outlive the gateway: %+v", what, r)
		}
	}
}
