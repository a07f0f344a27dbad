package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// reacher runs devctl as a user with a separate home directory and key.
type reacher struct {
	*site
	home  string
	agent string // the socket of an SSH agent with the key
}

func (s *site) newReacher() *reacher {
	s.Helper()
	r := &reacher{site: s, home: s.TempDir(), agent: s.startAgent(s.key)}
	// OpenSSH takes the home directory from the account and not from HOME, so the
	// configuration has absolute paths.
	config := fmt.Sprintf("Host *\n  IdentityFile %s\n  IdentitiesOnly yes\n  BatchMode yes\n", s.key.File)
	if err := os.MkdirAll(filepath.Join(r.home, ".ssh"), 0o700); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(r.config(), []byte(config), 0o600); err != nil {
		s.Fatal(err)
	}
	return r
}

func (r *reacher) config() string { return filepath.Join(r.home, ".ssh", "config") }

// devctl runs devctl with this user's home. It may fail.
func (r *reacher) devctl(words ...string) openssh.Result {
	r.Helper()
	path, err := cluster.Binary("devctl")
	if err != nil {
		r.Fatal(err)
	}
	return r.tool(path, append([]string{"--kubeconfig", r.c.Kubeconfig, "-n", r.ns}, words...)...)
}

func (r *reacher) tool(name string, words ...string) openssh.Result {
	r.Helper()
	return r.do(r.command(name, words...))
}

func (r *reacher) command(name string, words ...string) *exec.Cmd {
	cmd := openssh.Tool(r.bounded(), name, words...)
	// The ssh that ssh starts for the gateway does not get -F, so it needs the agent.
	cmd.Env = append(cmd.Env, "HOME="+r.home, "SSH_AUTH_SOCK="+r.agent)
	return cmd
}

// ssh runs devctl ssh with this user's key.
func (r *reacher) ssh(server string, script string) openssh.Result {
	r.Helper()
	return r.devctl("ssh", server, "-F", r.config(), "--", script)
}

func (r *reacher) wants(got openssh.Result, printed string) {
	r.Helper()
	if got.Code != 0 || got.Stdout != printed {
		r.Errorf("got %+v, want the output %q", got, printed)
	}
}

// TestSSHWakesAServer: devctl ssh wakes a server that was suspended because it was idle.
// For a server that its owner stopped, it prints how to start it.
func TestSSHWakesAServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.newReacher()
	b := s.start(s.suspendedWhenIdle("server", soon))
	b.sh("echo kept > ~/file")
	b.stopped(v1.PhaseSuspended, v1.ReasonIdle)
	if got := r.ssh("server", "cat ~/file; exit 7"); got.Code != 7 || got.Stdout != "kept\n" || got.Stderr == "" {
		s.Errorf("ssh to an idle server that is suspended: %+v, want a notice that it wakes", got)
	}

	s.devctl("stop", "server", "--wait")
	if refused := r.ssh("server", "true"); refused.Code != 4 || !strings.Contains(refused.Stderr, "devctl start server") {
		s.Errorf("ssh to a stopped server: %+v", refused)
	}
	r.wants(r.devctl("ssh", "--start", "server", "-F", r.config(), "--", "cat ~/file"), "kept\n")
}

// TestSSHConfig: with the configuration that devctl ssh-config writes, stock OpenSSH,
// scp, sftp and rsync reach a server without a port by its name.
func TestSSHConfig(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.newReacher()
	ds := s.devServer("server")
	ds.Spec.SSH.Service.Type = v1.SSHServiceNone
	s.start(ds)
	for via, want := range map[string]string{"auto": "ProxyCommand ssh -W ", "api": "ssh-proxy"} {
		if written := r.devctl("ssh-config", "--yes", "--via", via); written.Code != 0 {
			t.Fatalf("devctl ssh-config: %+v", written)
		}
		if file, err := os.ReadFile(filepath.Join(r.home, ".ssh", "devserver", "config")); err != nil || !strings.Contains(string(file), want) {
			t.Errorf("devctl ssh-config --via %s wrote (%v):\n%s\nwant %q in it", via, err, file, want)
		}
		r.copies("server." + s.ns + ".devserver")
	}
	r.wants(r.devctl("logs", "server", "--tail", "0"), "")
	s.awaitEvent("server-0", "Scheduled")
	if happened := r.devctl("events", "server"); happened.Code != 0 || !strings.Contains(happened.Stdout, "Scheduled") {
		t.Errorf("devctl events: %+v", happened)
	}
	r.wants(r.devctl("ssh", "--via=gateway", "server", "-F", r.config(), "--", "whoami"), "dev\n")
}

// copies copies a file to the server and back with every tool.
func (r *reacher) copies(name string) {
	r.Helper()
	r.wants(r.tool("ssh", "-F", r.config(), name, "whoami"), "dev\n")
	source, back := r.random("data", 3<<20), filepath.Join(r.TempDir(), "back")
	r.wants(r.tool("scp", "-q", "-F", r.config(), source, name+":there"), "")
	sftp := r.command("sftp", "-q", "-F", r.config(), "-b", "-", name)
	sftp.Stdin = strings.NewReader("get there " + back + "\n")
	r.must(sftp)
	r.sameFile(source, back)
	tree := r.TempDir()
	r.wants(r.tool("rsync", "-a", "-e", "ssh -F "+r.config(), name+":there", tree+"/"), "")
	r.sameFile(source, filepath.Join(tree, "there"))

	r.wants(r.devctl("cp", "-q", "-i", r.key.File, source, "server:again"), "")
	r.wants(r.devctl("cp", "-q", "-i", r.key.File, "server:again", filepath.Join(tree, "again")), "")
	r.sameFile(source, filepath.Join(tree, "again"))
}

// TestSilentProxySurvives: a session through the API server survives a silence that is
// longer than the heartbeat interval.
func TestSilentProxySurvives(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.newReacher()
	s.start(s.devServer("server"))
	silent := r.devctl("ssh", "--via=api", "server", "-F", r.config(), "-o", "ServerAliveInterval=0", "--", "sleep 40; echo still here")
	r.wants(silent, "still here\n")
}

// TestPortForward: devctl port-forward reaches a port on the server's localhost,
// directly and through the API server, and exits with 0 on Ctrl-C.
func TestPortForward(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	b.sh(`nohup python3 -c 'import socket
l = socket.create_server(("127.0.0.1", 8888))
while True: c, _ = l.accept(); c.sendall(c.makefile("rb").read().upper()); c.close()' >/dev/null 2>&1 </dev/null &
until (: < /dev/tcp/127.0.0.1/8888) 2>/dev/null; do sleep 0.1; done`)
	path, err := cluster.Binary("devctl")
	if err != nil {
		t.Fatal(err)
	}
	for _, via := range []string{"direct", "api"} {
		cmd := openssh.Tool(s.bounded(), path, "--kubeconfig", s.c.Kubeconfig, "-n", s.ns, "port-forward", "--via", via, "-i", s.key.File, "server", ":8888")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, address, _ := strings.Cut(s.line(out), "Forwarding ")
		address, _, _ = strings.Cut(address, " ")
		if got := s.ask("tcp", address, "hello"); got != "HELLO" {
			t.Errorf("through devctl port-forward --via %s, %s: %q", via, address, got)
		}
		_ = cmd.Process.Signal(syscall.SIGINT)
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("Ctrl-C: %v", err)
		}
		// Another program may use the port by now. Only an answer proves that the forward
		// is still open.
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.SetDeadline(time.Now().Add(bound))
			_, _ = io.WriteString(c, "hello")
			_ = c.(*net.TCPConn).CloseWrite()
			if answer, _ := io.ReadAll(io.LimitReader(c, 5)); string(answer) == "HELLO" {
				t.Errorf("%s still listens", address)
			}
			_ = c.Close()
		}
	}
}
