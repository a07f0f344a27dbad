package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// newcomer is a user who has only the kubeconfig that the admin created for them.
type newcomer struct {
	*person
	kubeconfig string
}

// tool prepares a program of the checkout with that kubeconfig and an SSH agent that
// has the user's key.
func (n *newcomer) tool(program string, words ...string) *exec.Cmd {
	n.Helper()
	path, err := cluster.Binary(program)
	if err != nil {
		n.Fatal(err)
	}
	script := []string{"sh", "-c", `ssh-add -q "$0" && exec "$@"`, n.key.File, path, "--kubeconfig", n.kubeconfig}
	return openssh.Tool(n.bounded(), "ssh-agent", append(script, words...)...)
}

// may runs devctl, which must succeed.
func (n *newcomer) may(words ...string) string {
	n.Helper()
	return n.must(n.tool("devctl", words...))
}

// TestKubeconfigOfANewUser: with the kubeconfig that devctl users kubeconfig writes, a
// user owns the DevServers in their namespace and can use every verb, but not admins'.
func TestKubeconfigOfANewUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := s.newPerson(nil)
	p.provisioned()
	n := &newcomer{p, filepath.Join(t.TempDir(), "kubeconfig")}
	if got := s.devctl("users", "kubeconfig", p.user.Spec.Username, "--file", n.kubeconfig); !strings.Contains(got, time.Now().AddDate(1, 0, 0).UTC().Format("2006")) {
		t.Errorf("devctl users kubeconfig printed %q, want the year in which it expires", got)
	}
	if who := n.must(n.tool("kubectl", "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")); who != p.user.Spec.Owner {
		t.Errorf("the cluster authenticates the user as %q, want %q", who, p.user.Spec.Owner)
	}
	if got := n.may("create", "server", "--flavor", s.flavor, "--home-size", "64Mi", "--idle", "1h", "--key", n.key.File+".pub", "--wait"); !strings.HasPrefix(got, "ssh ") {
		t.Errorf("devctl create printed %q, want the ssh command", got)
	}
	ds := p.devServer("server")
	if p.get(ds); ds.Spec.Owner != p.user.Spec.Owner {
		t.Errorf("the owner is %q, want %q", ds.Spec.Owner, p.user.Spec.Owner)
	}
	n.looks()
	n.verbs()
	n.changes()
	if got := n.do(n.tool("devctl", "users", "list")); got.Code != 4 || got.Stderr == "" {
		t.Errorf("devctl users list: %+v", got)
	}
	if got := n.do(n.tool("devctl", "doctor")); strings.Contains(got.Stdout, "may not") || !strings.Contains(got.Stdout, p.user.Spec.Owner) {
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
		{"keep server 2h", "until"},
		{"why server", "until"},
		{"keep server --end", "server"},
		{"stop server --wait", ""},
		{"why server", "devctl start server"},
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

// changes restarts the server, changes its flavor and deletes it. devctl must wait for
// the new pod, not for the former one.
func (n *newcomer) changes() {
	n.Helper()
	larger := n.newFlavor(n.flavor+"-larger", nil).Name
	for _, verb := range [][]string{{"restart", "server", "--wait"}, {"resize", "server", "--flavor", larger, "--yes", "--wait"}} {
		n.may("ssh", "server", "--", "touch", "/tmp/before", "work")
		if got := n.may(verb...); !strings.HasPrefix(got, "ssh ") {
			n.Errorf("devctl %v printed %q, want the ssh command", verb, got)
		}
		if left := n.may("ssh", "server", "--", "ls", "/tmp", "."); strings.Contains(left, "before") || !strings.Contains(left, "work") {
			n.Errorf("after devctl %v, the files are %q, want only those in the home", verb, left)
		}
	}
	if got := n.may("create", "server", "--flavor", larger, "--key", n.key.File+".pub"); !strings.Contains(got, "unchanged") {
		n.Errorf("devctl create of an existing DevServer printed %q", got)
	}
	if got := n.may("delete", "server", "--yes", "--wait"); !strings.Contains(got, "home-server-0") {
		n.Errorf("devctl delete printed %q, want the claim of the home", got)
	}
	n.absent(&corev1.Pod{ObjectMeta: n.named("server-0")})
}

// usedOfGranted matches the columns CPU, MEMORY, GPU and HOME of a server without a GPU.
// Its home is a folder, which has no file system of its own.
var usedOfGranted = regexp.MustCompile(` [0-9.]+/[0-9]+m? +[0-9.]+[MG]i/[0-9]+[MG]i +<none> +[0-9]+[MG]i `)

// looks asks the server's agent for its activity, which must not count as activity.
func (n *newcomer) looks() {
	n.Helper()
	for range 2 {
		got := n.may("why", "server", "--live")
		if !strings.Contains(got, "no ssh session") {
			n.Errorf("devctl why --live:\n%s", got)
		}
	}
	if got := n.may("list", "-o", "wide"); !usedOfGranted.MatchString(got) {
		n.Errorf("devctl list -o wide:\n%s\nwant what the server uses of its CPU and memory", got)
	}
}
