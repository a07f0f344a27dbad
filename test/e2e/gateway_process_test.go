package e2e

import (
	"bufio"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// startGateway runs a gateway until the test ends.
func (s *site) startGateway(b *server) (config string) {
	s.Helper()
	config, _ = s.launchGateway(b)
	return config
}

// launchGateway runs bin/gateway in the node's network, where it can reach the
// servers, and returns the client's configuration for it.
func (s *site) launchGateway(b *server) (config string, kill func()) {
	s.Helper()
	program, err := cluster.Binary("gateway")
	if err != nil {
		s.Fatal(err)
	}
	hostKey := s.newKey("gateway-host", "ed25519")
	kubelet := nodeProcess(s, "kubelet")
	cmd := openssh.Tool(s.Context(), "nsenter", "--net=/proc/"+kubelet+"/ns/net",
		program, "--listen", net.JoinHostPort(b.ds.Status.SSH.Host, "0"), "--host-key", hostKey.File, "--kubeconfig", s.c.Kubeconfig, "--drain-timeout", "0s")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	log, err := cmd.StderrPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // returns an error because the process was killed
	})
	s.Cleanup(kill)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var entry struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &entry) != nil || entry.Msg != "ready" {
			s.Log("gateway:", lines.Text())
			continue
		}
		go func() { // so that the gateway does not block on a full pipe
			for lines.Scan() {
			}
		}()
		host, port, err := net.SplitHostPort(entry.Listen)
		if err != nil {
			s.Fatal(err)
		}
		known := filepath.Join(s.TempDir(), "known_hosts")
		if err := os.WriteFile(known, []byte("gateway "+hostKey.Public+"\n"), 0o600); err != nil {
			s.Fatal(err)
		}
		return strings.Join([]string{
			"Host gateway", "  HostName " + host, "  Port " + port, "  HostKeyAlias gateway", "  UserKnownHostsFile " + known,
			"",
		}, "\n"), kill
	}
	s.Fatal("the gateway ended before it was ready")
	return "", nil
}
