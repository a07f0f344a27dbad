package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/openssh"
)

// operatorNamespace is where the chart is installed in the local cluster.
const operatorNamespace = "devserver-system"

// TestGateway connects to two servers by name through the installed gateway, whose
// address and host key are in the status. The gateway refuses to connect to another
// user's server.
func TestGateway(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	mine, also, other := s.devServer("mine"), s.devServer("also"), s.devServer("other")
	mine.Spec.SSH.Service.Type = v1.SSHServiceNone
	other.Spec.SSH.PublicKey = s.newKey("other", "ed25519").Public
	s.create(mine)
	s.create(also)
	s.create(other)
	for name, b := range map[string]*server{"mine": s.running(mine), "also": s.running(also)} {
		b.throughGateway(name)
	}
	// The status has a command for a server without an address, too.
	b := s.running(mine)
	line := strings.Fields(b.ds.Status.SSH.Command)
	if !slices.Contains(line, "-J") || b.ds.Status.SSH.Host != "" {
		t.Fatalf("status.ssh of a server without an address of its own is %+v", b.ds.Status.SSH)
	}
	if r := b.do(openssh.Tool(b.bounded(), line[0], slices.Concat([]string{"-F", b.gatewayConfig()}, line[1:], []string{"cat ~/through"})...)); r.Stdout != "mine\n" {
		t.Errorf("%s: %+v", b.ds.Status.SSH.Command, r)
	}
	if r := s.running(other).jump("true"); r.Code != 255 {
		t.Errorf("the gateway accepts a key that may not log in to the server: %+v", r)
	}
}

func (b *server) throughGateway(name string) {
	b.Helper()
	if r := b.jump("whoami; echo " + name + " > ~/through; cat ~/through"); r.Stdout != "dev\n"+name+"\n" {
		b.Errorf("through the gateway to %s: %+v", name, r)
	}
}

// jump runs "ssh -J GATEWAY dev@NAME.NAMESPACE SCRIPT".
func (b *server) jump(script string) openssh.Result {
	b.Helper()
	return b.do(openssh.Tool(b.bounded(), "ssh", b.jumpArgs(script)...))
}

func (b *server) jumpArgs(script string) []string {
	b.Helper()
	at := b.gateway()
	return []string{"-F", b.gatewayConfig(), "-J", fmt.Sprintf("%s:%d", at.Host, at.Port), "dev@" + b.ds.Name + "." + b.ns, script}
}

// gateway returns status.ssh.gateway.
func (b *server) gateway() v1.SSHGateway {
	b.Helper()
	if b.ds.Status.SSH.Gateway == nil {
		b.Fatalf("status.ssh.gateway is empty: %+v", b.ds.Status.SSH)
	}
	return *b.ds.Status.SSH.Gateway
}

// gatewayConfig writes the client configuration with the gateway's host key, and
// returns its path. ssh -J does not accept options for the jump host. The
// configuration sets no timeout, as by default, so the client waits while a server
// wakes.
func (b *server) gatewayConfig() string {
	b.Helper()
	at, dir := b.gateway(), b.TempDir()
	known := filepath.Join(dir, "known_hosts")
	if err := os.WriteFile(known, fmt.Appendf(nil, "[%s]:%d %s\n", at.Host, at.Port, at.HostKey), 0o600); err != nil {
		b.Fatal(err)
	}
	own, err := os.ReadFile(b.client.Config)
	if err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, fmt.Appendf(nil, "Host %s\n  UserKnownHostsFile %s\nHost *\n  ConnectTimeout none\n%s", at.Host, known, own), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// TestGatewayRestartKeepsSessions: a session that is open when the gateway is
// restarted continues in the old pod, and new sessions use the new pod.
func TestGatewayRestartKeepsSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.SSH.Service.Type = v1.SSHServiceNone
	b := s.start(ds)
	old := s.gatewayPods()

	session := openssh.Tool(b.bounded(), "ssh", b.jumpArgs("echo open; read -r word; echo got $word")...)
	stdin, err := session.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Start(); err != nil {
		t.Fatal(err)
	}
	if line := s.line(stdout); line != "open" {
		t.Fatalf("the session prints %q", line)
	}
	const deployment = "deployment/devserver-gateway"
	s.kubectl("", "--namespace", operatorNamespace, "rollout", "restart", deployment)
	s.kubectl("", "--namespace", operatorNamespace, "rollout", "status", deployment)

	// For a moment the old pod still accepts sessions, so that none fails.
	s.eventually("a new session uses the new pod", func() bool {
		b.throughGateway("new")
		return s.newPodServed(old, "server."+s.ns)
	})
	if !s.stillDraining(old) {
		t.Error("the old pod ended while its session was open")
	}
	if _, err := stdin.Write([]byte("it\n")); err != nil {
		t.Fatal(err)
	}
	if line := s.line(stdout); line != "got it" {
		t.Errorf("the open session prints %q", line)
	}
	if err := session.Wait(); err != nil {
		t.Errorf("the open session: %v", err)
	}
	s.eventually("the old pod ends after its session", func() bool { return !s.stillDraining(old) })
}

// TestGatewayWakes: ssh through the gateway wakes a server that was suspended
// because it was idle.
func TestGatewayWakes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.suspendedWhenIdle("server", soon)
	ds.Spec.SSH.Service.Type = v1.SSHServiceNone
	b := s.start(ds)
	b.throughGateway("before")
	ds = b.stopped(v1.PhaseSuspended, v1.ReasonIdle)
	if ds.Status.SSH.Command != b.ds.Status.SSH.Command {
		t.Errorf("status.ssh.command: got %q while suspended, want %q as before", ds.Status.SSH.Command, b.ds.Status.SSH.Command)
	}
	if r := b.jump("cat ~/through"); r.Stdout != "before\n" {
		t.Errorf("through the gateway to a suspended server: %+v", r)
	}
}

func (s *site) gatewayPods() []corev1.Pod {
	s.Helper()
	list := &corev1.PodList{}
	if err := s.c.List(s.Context(), list, client.InNamespace(operatorNamespace), client.MatchingLabels{"app.kubernetes.io/component": "gateway"}); err != nil {
		s.Fatal(err)
	}
	return list.Items
}

// newPodServed reports whether a pod that is not among the old ones has written an
// audit line about a server.
func (s *site) newPodServed(old []corev1.Pod, server string) bool {
	s.Helper()
	for _, p := range s.gatewayPods() {
		if among(old, p) || p.Status.Phase != corev1.PodRunning {
			continue
		}
		if strings.Contains(s.kubectl("", "--namespace", operatorNamespace, "logs", p.Name), `"`+server+`"`) {
			return true
		}
	}
	return false
}

// stillDraining reports whether one of the old pods still exists and is terminating.
func (s *site) stillDraining(old []corev1.Pod) bool {
	s.Helper()
	return slices.ContainsFunc(s.gatewayPods(), func(p corev1.Pod) bool { return among(old, p) && p.DeletionTimestamp != nil })
}

func among(pods []corev1.Pod, p corev1.Pod) bool {
	return slices.ContainsFunc(pods, func(o corev1.Pod) bool { return o.UID == p.UID })
}

// TestGatewayService: exactly one Service has the gateway's label, by which scripts
// find it.
func TestGatewayService(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	list := &corev1.ServiceList{}
	if err := s.c.List(t.Context(), list, client.MatchingLabels{"app.kubernetes.io/component": "gateway"}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Spec.Type != corev1.ServiceTypeNodePort || list.Items[0].Spec.Ports[0].NodePort == 0 {
		t.Fatalf("%+v", list.Items)
	}
	host := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "devserver-gateway-host-key"}}
	s.get(host)
	if len(host.Data[corev1.SSHAuthPrivateKey]) == 0 {
		t.Error("the Secret has no host key")
	}
}
