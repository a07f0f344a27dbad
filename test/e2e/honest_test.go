package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	v1 "devserver.io/devserver/api/v1"
)

// TestRunningIsHonest: a server whose SSH server no longer answers is not
// Running, though its pod and everything in it are there; it is again once the
// server answers.
func TestRunningIsHonest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.pod()
	b.get(pod)

	server := serverProcess(s, string(pod.UID))
	if err := syscall.Kill(server, syscall.SIGSTOP); err != nil {
		s.Fatal(err)
	}
	// Whatever happens, nothing stopped may stay behind.
	s.Cleanup(func() { _ = syscall.Kill(server, syscall.SIGCONT) })
	ds := s.notReady(b.ds, v1.PhaseFailed, v1.ReasonNotAnswering, "server-0")
	if err := syscall.Kill(server, syscall.SIGCONT); err != nil {
		s.Fatal(err)
	}
	b = s.running(ds)
	if b.want("whoami", "dev"); b.podUID() != pod.UID {
		s.Error("the server was restarted")
	}
}

// TestKilledServer: a user who kills the SSH server of his server gets it back
// without losing what runs in the server.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.pod()
	b.get(pod)
	job := b.sh("nohup sleep 100000 > /dev/null 2>&1 & echo $!")
	if err := syscall.Kill(serverProcess(s, string(pod.UID)), syscall.SIGKILL); err != nil {
		s.Fatal(err)
	}
	s.eventually("SSH answers again", func() bool { return b.try("true").Code == 0 })
	b.sh("kill -0 " + job)
	if b.podUID() != pod.UID {
		s.Error("the server was restarted")
	}
}

// serverProcess finds the agent's SSH server among this machine's processes.
// The node of the local cluster shares them with the host; a server could not
// stop its own server and tell.
func serverProcess(s *site, podUID string) int {
	s.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(command), "/opt/devserver/bin/devserver-agent\x00serve\x00") &&
			string(command) != "/opt/devserver/bin/devserver-agent\x00serve" {
			continue // also when it has ended since
		}
		dir := filepath.Dir(file)
		if cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup")); err != nil || !strings.Contains(string(cgroup), podUID) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			s.Fatal(err)
		}
		return pid
	}
	s.Fatal("the server's SSH server is not among this machine's processes: this test needs the local cluster (make up)")
	return 0
}

// parentOf is the process that started another one.
func parentOf(s *site, pid int) int {
	s.Helper()
	id, lives := parent(strconv.Itoa(pid))
	number, err := strconv.Atoi(id)
	if !lives || err != nil {
		s.Fatalf("the parent of process %d is %q: %v", pid, id, err)
	}
	return number
}
