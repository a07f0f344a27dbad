package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "devserver.io/devserver/api/v1"
)

// TestStockOpenSSH tests the common uses of SSH with one server.
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

// account: programs on the server know the user's name, ids and home.
func account(b *server) {
	b.want("whoami; id -un; id -gn; id -u; id -g", "dev\ndev\ndev\n1000\n1000")
	b.want("echo $USER $LOGNAME $HOME; pwd", "dev dev /home/dev\n/home/dev")
	b.want("getent passwd dev | cut -d: -f1,3,4,6", "dev:1000:1000:/home/dev")
	b.want("python3 -c 'import getpass, pwd, os; print(getpass.getuser(), pwd.getpwuid(os.getuid()).pw_dir, os.path.expanduser(\"~dev\"))'", "dev /home/dev /home/dev")
	b.want("stat -c %U:%G:%a /home/dev", "dev:dev:700")
	b.want("ssh -G example.com | grep '^user '", "user dev")
	b.sh("ssh -V && rm -f ~/t && ssh-keygen -q -t ed25519 -N '' -f ~/t && test -s ~/t.pub")
	// Git reads passwd for the user's name and checks the owner of the folder.
	b.want(`set -e; git init -q ~/repo; cd ~/repo; git config --global user.email dev@example.com; git config --global user.name Dev
		echo x > x; git add x; git commit -qm first; git log --format='%an <%ae> %s'`, "Dev <dev@example.com> first")
}

// exitCodes: the client gets the exit code of a command.
func exitCodes(b *server) {
	for script, code := range map[string]int{
		"true": 0, "exit 3": 3, "no-such-command": 127, "/etc/passwd": 126,
		// The exit code of OpenSSH if a signal ended the command.
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

// streams: output and errors stay separate, and input and its end are passed on.
func streams(b *server) {
	if r := b.try("echo out; echo err >&2"); r.Stdout != "out\n" || r.Stderr != "err\n" {
		b.Errorf("stdout %q, stderr %q", r.Stdout, r.Stderr)
	}
	megabytes := strings.Repeat("0123456789abcdef", 1<<18)
	cmd := b.client.Command(b.bounded(), nil, "cat")
	cmd.Stdin = strings.NewReader(megabytes)
	if r := b.do(cmd); r.Stdout != megabytes {
		b.Errorf("cat returned %d of %d bytes", len(r.Stdout), len(megabytes))
	}
	// A background command that has closed all streams does not keep the session open.
	b.want("sleep 1000 >/dev/null 2>&1 </dev/null & echo started", "started")
}

// privilegedNothing: the server has only the rights that the restricted Pod Security
// Standard allows.
func privilegedNothing(b *server) {
	b.want("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t'",
		"CapEff:0000000000000000\nCapBnd:0000000000000000\nNoNewPrivs:1\nSeccomp:2")
	b.want("ls /var/run/secrets/kubernetes.io 2>/dev/null; env | grep ^KUBERNETES_ ; true", "")
	// The agent runs as the user, but the user must not be able to change its files, such
	// as the authorized keys.
	if r := b.try("touch /etc/devserver/ssh/x || touch /opt/devserver/x || touch /etc/profile.d/x"); r.Code == 0 {
		b.Error("the server can write to its agent's files")
	}
}

// random creates a local file of random bytes and returns its path.
func (s *site) random(name string, size int) string {
	s.Helper()
	path := filepath.Join(s.TempDir(), name)
	if err := os.WriteFile(path, randomBytes(size), 0o600); err != nil {
		s.Fatal(err)
	}
	return path
}
