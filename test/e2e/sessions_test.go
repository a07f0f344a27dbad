package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "devserver.io/devserver/api/v1"
)

// TestStockOpenSSH uses one server in all the ways in which people use SSH.
func TestStockOpenSSH(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	flavor := &v1.DevServerFlavor{}
	flavor.Name = s.flavor
	edit(s, flavor, func(f *v1.DevServerFlavor) {
		f.Spec.Env = []v1.EnvVar{{Name: "FROM_FLAVOR", Value: "flavor's"}, {Name: "BOTH", Value: "flavor's"}}
		f.Spec.Resources.Limits = quantities("memory", "3Gi")
	})
	ds := s.devServer("server")
	ds.Spec.Env = environmentOfSpec
	b := s.start(ds)
	b.sh("true") // the port is open to all parts
	for name, part := range map[string]func(*server){
		"Account":            account,
		"ExitCodes":          exitCodes,
		"Streams":            streams,
		"Copies":             copies,
		"LocalForward":       localForward,
		"LocalForwardUnix":   localForwardUnix,
		"RemoteForward":      remoteForward,
		"RemoteForwardUnix":  remoteForwardUnix,
		"AgentForward":       agentForward,
		"Terminal":           terminalSize,
		"Interrupt":          interrupt,
		"Vim":                vim,
		"Environment":        environment,
		"SharedMemory":       sharedMemory,
		"OutliveConnection":  outliveConnection,
		"PrivilegedNothing":  privilegedNothing,
		"SimultaneousLogins": simultaneousLogins,
		"SlowHandshakes":     slowHandshakes,
		"SharedConnection":   sharedConnection,
	} {
		s.sub(name, func(s *site) { part(b.in(s)) })
	}
}

// account: everything in the server knows its user.
func account(b *server) {
	b.want("whoami; id -un; id -gn; id -u; id -g", "dev\ndev\ndev\n1000\n1000")
	b.want("echo $USER $LOGNAME $HOME; pwd", "dev dev /home/dev\n/home/dev")
	b.want("getent passwd dev | cut -d: -f1,3,4,6", "dev:1000:1000:/home/dev")
	b.want("python3 -c 'import getpass, pwd, os; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser(\"~dev\"))'", "dev /home/dev /home/dev")
	b.want("stat -c %U:%G:%a /home/dev", "dev:dev:700")
	b.want("ssh -G example.com | grep '^user '", "user dev")
	b.sh("ssh -V && rm -f ~/t && ssh-keygen -q -t ed25519 -N '' -f ~/t && test -s ~/t.pub")
	// Git asks the passwd file who it is for, and whose the folder is.
	b.want(`set -e; git init -q ~/repo; cd ~/repo; git config --global user.email dev@example.com; git config --global user.name Dev
		echo x > x; git add x; git commit -qm first; git log --format='%an <%ae> %s'`, "Dev <dev@example.com> first")
}

// exitCodes: how a command ends arrives at the client.
func exitCodes(b *server) {
	for script, code := range map[string]int{
		"true": 0, "exit 3": 3, "no-such-command": 127, "/etc/passwd": 126,
		// OpenSSH's own code for a command that a signal ended.
		"kill -KILL $$": 255,
	} {
		if r := b.try(script); r.Code != code {
			b.Errorf("ssh server %q: exit code %d, want %d (%s)", script, r.Code, code, r.Stderr)
		}
		if r := b.try(script, "-tt"); r.Code != code {
			b.Errorf("ssh -tt server %q: exit code %d, want %d (%s)", script, r.Code, code, r.Stdout)
		}
	}
}

// streams: output and errors stay apart, input passes and ends.
func streams(b *server) {
	if r := b.try("echo out; echo err >&2"); r.Stdout != "out\n" || r.Stderr != "err\n" {
		b.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
	megabytes := strings.Repeat("0123456789abcdef", 1<<18)
	cmd := b.client.Command(b.bounded(), nil, "cat")
	cmd.Stdin = strings.NewReader(megabytes)
	if r := b.do(cmd); r.Stdout != megabytes {
		b.Errorf("cat gave %d of %d bytes back", len(r.Stdout), len(megabytes))
	}
	// A command in the background that keeps none of the streams does not hold
	// the session.
	b.want("sleep 1000 >/dev/null 2>&1 </dev/null & echo started", "started")
}

// privilegedNothing: the server runs with no more rights than the restricted
// standard allows.
func privilegedNothing(b *server) {
	b.want("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
		"CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2")
	b.want("ls /var/run/secrets/kubernetes.io 2>/dev/null; env | grep ^KUBERNETES_ ; true", "")
	// The keys of the host are the agent's business, and the user is the agent's user,
	// but nothing in the server may change who can log in.
	if r := b.try("touch /etc/devserver/ssh/x || touch /opt/devserver/x || touch /etc/profile.d/x"); r.Code == 0 {
		b.Error("the server can write to its agent's files")
	}
}

// random is a file of random bytes outside the server.
func (s *site) random(name string, size int) string {
	s.Helper()
	path := filepath.Join(s.TempDir(), name)
	if err := os.WriteFile(path, randomBytes(size), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}
