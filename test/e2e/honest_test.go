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

// TestRunningIsHonest: a dev server whose SSH server does not answer is not
// Running, even if its pod runs. It is Running again once the SSH server answers.
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
	// Also if the test fails: the process must not stay stopped.
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

// TestKilledServer: if a user kills the SSH server, it is restarted, and the user's
// processes keep running.
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

// serverProcess finds the agent's SSH server among the host's processes, which
// include those of the local cluster's node. The test cannot stop the SSH server in
// a session, because the session would stop as well.
func serverProcess(s *site, podUID string) int {
	s.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		if err != nil || (!strings.HasPrefix(string(command), "/opt/devserver/bin/devserver-agent\x00serve\x00") &&
			string(command) != "/opt/devserver/bin/devserver-agent\x00serve") {
			continue // also if the process has ended
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

// parentOf returns the id of a process's parent.
func parentOf(s *site, pid int) int {
	s.Helper()
	id, lives := parent(strconv.Itoa(pid))
	number, err := strconv.Atoi(id)
	if !lives || err != nil {
		s.Fatalf("the parent of process %d is %q: %v", pid, id, err)
	}
	return number
}
