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
	"testing"

	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// TestGateway goes through the one jump host to two boxes by their names, and
// is not let through to a third of somebody else.
func TestGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine, also, other := s.devServer("mine"), s.devServer("also"), s.devServer("other")
	other.Spec.SSH.PublicKey = s.newKey("other", "ed25519").Public
	s.create(mine)
	s.create(also)
	s.create(other)
	jump := s.startGateway(s.running(mine))
	for name, b := range map[string]*box{"mine": s.running(mine), "also": s.running(also)} {
		b.throughGateway(jump, name)
		b.want("cat ~/through", name)
	}
	refused := s.running(other)
	if r := refused.jump(jump, "true"); r.Code != 255 {
		s.Errorf("a key that does not open the box is let through: %+v", r)
	}
}

func (b *box) throughGateway(jump, name string) {
	b.Helper()
	if r := b.jump(jump, "whoami; echo "+name+" > ~/through"); r.Stdout != "dev\n" {
		b.Errorf("through the gateway to %s: %+v", name, r)
	}
}

// jump is "ssh -J GATEWAY dev@NAME.NAMESPACE SCRIPT": ssh -J leaves no room
// for the jump's own options, so they stand in the configuration.
func (b *box) jump(config, script string) openssh.Result {
	b.Helper()
	own, err := os.ReadFile(b.client.Config)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(b.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config+string(own)), 0o600); err != nil {
		b.Fatal(err)
	}
	return b.do(openssh.Tool(b.bounded(), "ssh", "-F", file, "-J", "gateway", "dev@"+b.ds.Name+"."+b.ns, script))
}

// startGateway runs a gateway until the test ends.
func (s *site) startGateway(b *box) (config string) {
	s.Helper()
	config, _ = s.launchGateway(b)
	return config
}

// launchGateway runs bin/gateway on the node, where the boxes' addresses can be
// reached, and returns the client's configuration for it.
func (s *site) launchGateway(b *box) (config string, kill func()) {
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
		_ = cmd.Wait() // killed: it ends with an error
	})
	s.Cleanup(kill)
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var entry struct{ Msg, Listen string }
		if json.Unmarshal(lines.Bytes(), &entry) != nil || entry.Msg != "ready" {
			s.Log("gateway:", lines.Text())
			continue
		}
		go func() { // it must not stop at a full pipe
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

// nodeProcess finds a part of the cluster that KUBECONFIG names among this
// machine's processes: its command line speaks of the same folder.
func nodeProcess(s *site, part string) string {
	s.Helper()
	folder := filepath.Dir(s.c.Kubeconfig) + "/"
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		program, _, _ := strings.Cut(string(command), "\x00")
		if filepath.Base(program) == part && strings.Contains(string(command), folder) {
			return filepath.Base(filepath.Dir(file))
		}
	}
	s.Fatalf("%s is not among this machine's processes: this test needs the local cluster (make up)", part)
	return ""
}
