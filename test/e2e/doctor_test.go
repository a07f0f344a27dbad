package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// TestDoctorAdmin: devctl doctor --admin reports the versions of the first node, and what
// is killed there when a server runs out of memory.
func TestDoctorAdmin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, err := cluster.Binary("devctl")
	if err != nil {
		t.Fatal(err)
	}
	// The exit code is 1 if this machine has no SSH key.
	got := s.do(openssh.Tool(s.bounded(), path, "--kubeconfig", s.c.Kubeconfig, "doctor", "--admin", "-o", "json"))
	var findings []struct {
		Check, Level, Found string
		Nodes               []string
	}
	if err := json.Unmarshal([]byte(got.Stdout), &findings); err != nil {
		t.Fatalf("%v: %+v", err, got)
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.node()}}
	s.get(node)
	runtime := strings.Replace(node.Status.NodeInfo.ContainerRuntimeVersion, "://", " ", 1)
	killed := "all its processes are killed"
	if s.killsOneProcess(node.Name) {
		killed = "one process is killed"
	}
	for check, want := range map[string]string{"kubelet": node.Status.NodeInfo.KubeletVersion, "runtime": runtime, "out of memory": killed} {
		ok := false
		for _, f := range findings {
			ok = ok || (f.Check == check && f.Level == "ok" && strings.Contains(f.Found, want) && slices.Contains(f.Nodes, node.Name))
		}
		if !ok {
			t.Errorf("no finding of %q has %q for node %s:\n%s", check, want, node.Name, got.Stdout)
		}
	}
}

// killsOneProcess reports whether the kernel kills a single process when a container on
// the node runs out of memory. By default, it does so only with cgroup v1.
func (s *site) killsOneProcess(node string) bool {
	s.Helper()
	kubelet := "/api/v1/nodes/" + node + "/proxy/"
	var config struct {
		KubeletConfig struct{ SingleProcessOOMKill *bool }
	}
	if text := s.kubectl("", "get", "--raw", kubelet+"configz"); json.Unmarshal([]byte(text), &config) != nil {
		s.Fatalf("the kubelet's configuration is %q", text)
	}
	if single := config.KubeletConfig.SingleProcessOOMKill; single != nil {
		return *single
	}
	return strings.Contains(s.kubectl("", "get", "--raw", kubelet+"metrics"), "\nkubelet_cgroup_version 1\n")
}
