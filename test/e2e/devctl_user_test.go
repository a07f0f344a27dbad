package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

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
	if said := n.may("create", "server", "--flavor", s.flavor, "--home-size", "64Mi", "--idle", "1h", "--key", n.key.File+".pub", "--wait"); !strings.HasPrefix(said, "ssh ") {
		t.Errorf("devctl create said %q, want the ssh command", said)
	}
	ds := p.devServer("server")
	if p.get(ds); ds.Spec.Owner != p.user.Spec.Owner {
		t.Errorf("the owner is %q, want %q", ds.Spec.Owner, p.user.Spec.Owner)
	}
	n.looks()
	n.verbs()
	n.changes()
	if got := n.do(n.tool("devctl", "users", "list")); got.Code != 4 || !strings.Contains(got.Stderr, "that is for admins") {
		t.Errorf("devctl users list: %+v", got)
	}
	if got := n.do(n.tool("devctl", "doctor")); strings.Contains(got.Stdout, "you may not") || !strings.Contains(got.Stdout, "you are "+p.user.Spec.Owner) {
		t.Errorf("devctl doctor: %+v", got)
	}
}

// verbs uses every other command.
func (n *newcomer) verbs() {
	n.Helper()
	file := filepath.Join(n.TempDir(), "file")
	if err := os.WriteFile(file, []byte("hello"), 0o600); err != nil {
		n.Fatal(err)
	}
	for _, verb := range []struct{ words, want string }{
		{"list --mine -o name", "devserver.devserver.io/server"},
		{"flavors " + n.flavor, n.flavor},
		{"describe server", "ssh-ed25519"},
		{"wait server", "ssh "},
		{"ssh server -- whoami", "dev"},
		{"ssh --via api server -- whoami", "dev"},
		{"cp " + file + " server:", ""},
		{"ssh server -- cat file", "hello"},
		{"logs server", "listening"},
		{"events server", ""},
		{"keep server 2h", "counts as at work until"},
		{"why server", "it is kept until"},
		{"keep server --end", "is not kept any more"},
		{"stop server --wait", ""},
		{"why server", "sleeps, since"},
		{"start server --wait", "ssh "},
		{"version", "kubernetes v1."},
		{"config view", "flavor"},
		{"ssh-config --print", "server." + n.ns},
	} {
		if got := n.may(strings.Fields(verb.words)...); !strings.Contains(got, verb.want) {
			n.Errorf("devctl %s: %s\nwant %q", verb.words, got, verb.want)
		}
	}
}

// changes restarts the server, which devctl waits for and not for the pod of before,
// gives it another size, and deletes it.
func (n *newcomer) changes() {
	n.Helper()
	larger := n.newFlavor(n.flavor+"-larger", nil).Name
	for _, verb := range [][]string{{"restart", "server", "--wait"}, {"resize", "server", "--flavor", larger, "--yes", "--wait"}} {
		n.may("ssh", "server", "--", "touch", "/tmp/before", "work")
		if said := n.may(verb...); !strings.HasPrefix(said, "ssh ") {
			n.Errorf("devctl %v said %q, want the ssh command", verb, said)
		}
		if left := n.may("ssh", "server", "--", "ls", "/tmp", "."); strings.Contains(left, "before") || !strings.Contains(left, "work") {
			n.Errorf("after devctl %v there is %q, want what is in the home and nothing else", verb, left)
		}
	}
	if said := n.may("create", "server", "--flavor", larger, "--key", n.key.File+".pub"); !strings.Contains(said, "unchanged") {
		n.Errorf("devctl create said %q of what is there", said)
	}
	if said := n.may("delete", "server", "--yes", "--wait"); !strings.Contains(said, "home directory stays, in the PersistentVolumeClaim home-server-0") {
		n.Errorf("devctl delete said %q", said)
	}
	n.absent(&corev1.Pod{ObjectMeta: n.named("server-0")})
}

// looks asks the server itself how it stands. To look, again and again, is no work.
func (n *newcomer) looks() {
	n.Helper()
	for range 2 {
		got := n.may("why", "server", "--live")
		if !strings.Contains(got, "Connections: no ssh session (no work since its start)") {
			n.Errorf("devctl why --live:\n%s", got)
		}
	}
}
