package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	v1 "devserver.io/devserver/api/v1"
)

// TestRunningIsHonest: a dev server whose SSH server does not answer is not
// Running, even if its pod runs. It is Running again once the SSH server answers.
func TestRunningIsHonest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.readPod()

	server := agentProcess(s, pod.UID, "serve")
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

// TestKilledServer: if the SSH server ends, it is restarted, and the user's processes
// keep running.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.start(s.devServer("server"))
	pod := b.readPod()
	job := b.sh("nohup sleep 100000 > /dev/null 2>&1 & echo $!")
	if err := syscall.Kill(agentProcess(s, pod.UID, "serve"), syscall.SIGKILL); err != nil {
		s.Fatal(err)
	}
	s.eventually("SSH answers again", func() bool { return b.try("true").Code == 0 })
	b.sh("kill -0 " + job)
	if b.podUID() != pod.UID {
		s.Error("the server was restarted")
	}
}

// agentProcess finds the process of a server's agent with a verb, serve or init, among
// the host's processes, which include those of the local cluster's node. Users of the
// server cannot stop either.
func agentProcess(s *site, podUID types.UID, verb string) int {
	s.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.Fatal(err)
	}
	for _, file := range commands {
		command, err := os.ReadFile(file)
		if err != nil {
			continue // The process has ended.
		}
		words := strings.Split(string(command), "\x00")
		if len(words) < 2 || filepath.Base(words[0]) != "devserver-agent" || words[1] != verb {
			continue
		}
		dir := filepath.Dir(file)
		if cgroup, err := os.ReadFile(filepath.Join(dir, "cgroup")); err != nil || !strings.Contains(string(cgroup), string(podUID)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			s.Fatal(err)
		}
		return pid
	}
	s.Fatalf("the agent's process %s is not among this machine's: this test needs the local cluster (make up)", verb)
	return 0
}
