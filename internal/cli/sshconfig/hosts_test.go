package sshconfig

import (
	"cmp"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/cli/reach"
	"devserver.io/devserver/internal/testing/hostile"
	"devserver.io/devserver/internal/testing/sshserver"
)

// FuzzHost checks that nothing that a cluster or a kubeconfig says adds a line to ssh's
// configuration or to the known_hosts file, or an option to a line.
func FuzzHost(f *testing.F) {
	const usual = "10.0.0.1"
	for _, name := range []string{
		"trainer", "trainer\n  ProxyCommand touch /tmp/owned", "trainer\r", "*", "a b", "-oProxyCommand=x", "../../x", "trainer\u2028", `"`, "fe80::1%eth0", hostile.Text,
	} {
		f.Add(name, "team", usual, usual, "lab")
		f.Add("trainer", name, usual, usual, "lab")
		f.Add("trainer", "team", name, usual, "lab")
		f.Add("trainer", "team", usual, name, "lab")
		f.Add("trainer", "team", usual, usual, name)
	}
	hostKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshserver.NewKey(f).PublicKey())))
	f.Fuzz(func(t *testing.T, name, namespace, address, gateway, context string) {
		if !utf8.ValidString(context) {
			t.Skip("no kubeconfig can have this context")
		}
		ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
		ds.Status.SSH = &devserverv1.SSHStatus{
			Host: address, Port: 22, HostKey: hostKey + " comment\n" + name,
			Gateway: &devserverv1.SSHGateway{Host: gateway, Port: 2222, HostKey: hostKey + "\n" + name},
		}
		for _, via := range []string{reach.Auto, reach.Gateway} {
			h, err := newHost(&cluster.Cluster{Context: context}, ds, via, "~/known")
			if err != nil {
				continue
			}
			all := file{hosts: []host{h}}
			text := all.text("~/known", nil)
			if lines := strings.Count(text, "\n"); lines != 13 || strings.ContainsAny(text, "\r\x00") {
				t.Errorf("the configuration has %d lines, want 13:\n%q", lines, text)
			}
			if !strings.Contains(text, "\nHost "+name+"."+namespace+".devserver\n") || strings.ContainsAny(name+namespace, " *?!,") {
				t.Errorf("the host has another name, or is a pattern:\n%q", text)
			}
			want := 1
			if via == reach.Gateway {
				want = 2
			}
			known := knownHostsText(all.hosts)
			if lines := strings.Count(known, "\n"); lines != want {
				t.Errorf("known_hosts has %d lines, want %d:\n%q", lines, want, known)
			}
			for line := range strings.Lines(known) {
				if len(strings.Fields(line)) != 3 {
					t.Errorf("the line %q of known_hosts has more than a name and a key", line)
				}
			}
			if read, err := parse(text); err != nil || len(read.hosts) != 1 || read.hosts[0] != h {
				t.Errorf("read back: %+v, %v", read, err)
			}
		}
	})
}

func TestUsualHostsAreAccepted(t *testing.T) {
	hostKey := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshserver.NewKey(t).PublicKey())))
	for _, address := range []string{"10.0.0.1", "2001:db8::1", "node-1.example.com", "a1b2.elb.eu-west-1.amazonaws.com", "node_1", ""} {
		ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: "trainer", Namespace: "team-a"}}
		ds.Status.SSH = &devserverv1.SSHStatus{Host: address, HostKey: hostKey, Gateway: &devserverv1.SSHGateway{Host: cmp.Or(address, "gw"), Port: 22, HostKey: hostKey}}
		for _, via := range []string{reach.Auto, reach.Gateway} {
			if _, err := newHost(&cluster.Cluster{Context: "arn:aws:eks:eu-west-1:1:cluster/lab (old)"}, ds, via, "~/known"); err != nil {
				t.Errorf("%q: %v", address, err)
			}
		}
	}
}

// TestFileWithOtherLinesIsRefused: what an earlier version wrote is checked too.
func TestFileWithOtherLinesIsRefused(t *testing.T) {
	h := host{Namespace: "team", Name: "trainer", Host: "trainer.team.devserver", Alias: "trainer.team", KnownHost: "a b c", Proxy: "x\n  ProxyCommand y"}
	if _, err := parse(file{hosts: []host{h}}.text("~/known", nil)); err == nil {
		t.Error("a host with two lines was accepted")
	}
}
