package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// newcomer is a person with nothing but the kubeconfig that the admin gave them.
type newcomer struct {
	*person
	kubeconfig string
}

// tool prepares a program of the checkout with that kubeconfig. An SSH agent has
// the person's key.
func (n *newcomer) tool(program string, words ...string) *exec.Cmd {
	n.Helper()
	path, err := cluster.Binary(program)
	if err != nil {
		n.Fatal(err)
	}
	script := []string{"sh", "-c", `ssh-add -q "$0" && exec "$@"`, n.key.File, path, "--kubeconfig", n.kubeconfig}
	return openssh.Tool(n.bounded(), "ssh-agent", append(script, words...)...)
}

// may runs devctl, which must do it.
func (n *newcomer) may(words ...string) string {
	n.Helper()
	return n.must(n.tool("devctl", words...))
}

// TestKubeconfigOfANewUser: with what devctl users kubeconfig makes, a person is
// who owns their DevServers, in their own namespace, and can use every verb; and
// nothing else.
func TestKubeconfigOfANewUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(nil)
	p.provisioned()
	n := &newcomer{p, filepath.Join(t.TempDir(), "kubeconfig")}
	if said := s.devctl("users", "kubeconfig", p.user.Spec.Username, "--file", n.kubeconfig); !strings.Contains(said, "holds until "+time.Now().AddDate(1, 0, 0).UTC().Format("2006")) {
		t.Errorf("devctl users kubeconfig said %q", said)
	}
	if who := n.must(n.tool("kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")); who != p.user.Spec.Owner {
		t.Errorf("the cluster takes them for %q, want %q", who, p.user.Spec.Owner)
	}
	ds := p.devServer("box")
	ds.Spec.Owner = p.user.Spec.Owner
	ds.Spec.Lifecycle = &v1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: time.Hour}}
	ds.TypeMeta = metav1.TypeMeta{APIVersion: v1.GroupVersion.String(), Kind: "DevServer"}
	document, err := yaml.Marshal(ds)
	if err != nil {
		t.Fatal(err)
	}
	apply := n.tool("kubectl", "apply", "-f", "-")
	apply.Stdin = strings.NewReader(string(document))
	n.must(apply)
	n.may("wait", "box")

	n.looks()
	for _, verb := range []struct{ words, want string }{
		{"list --mine -o name", "devserver.devserver.io/box"},
		{"describe box", "ssh-ed25519 owner"},
		{"ssh box -- whoami", "dev"},
		{"keep box 2h", "counts as at work until"},
		{"why box", "it is kept until"},
		{"keep box --end", "is not kept any more"},
		{"stop box --wait", ""},
		{"why box", "sleeps, since"},
		{"start box --wait", "ssh "},
		{"version", "kubernetes v1."},
		{"config view", "flavor"},
	} {
		if got := n.may(strings.Fields(verb.words)...); !strings.Contains(got, verb.want) {
			t.Errorf("devctl %s: %s\nwant %q", verb.words, got, verb.want)
		}
	}
	if got := n.do(n.tool("devctl", "users", "list")); got.Code != 4 || !strings.Contains(got.Stderr, "that is for admins") {
		t.Errorf("devctl users list: %+v", got)
	}
	if got := n.do(n.tool("devctl", "doctor")); strings.Contains(got.Stdout, "you may not") || !strings.Contains(got.Stdout, "you are "+p.user.Spec.Owner) {
		t.Errorf("devctl doctor: %+v", got)
	}
}

// looks asks the box itself how it stands. To look, again and again, is no work.
func (n *newcomer) looks() {
	n.Helper()
	for range 2 {
		got := n.may("why", "box", "--live")
		if !strings.Contains(got, "Connections: no ssh session (no work since its start)") {
			n.Errorf("devctl why --live:\n%s", got)
		}
	}
}
