package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// tree creates files like those of the kernel's control groups.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestHierarchiesCountsLinkedControllersOnce(t *testing.T) {
	root := tree(t, map[string]string{"cpu,cpuacct/cgroup.procs": "", "pids/cgroup.procs": "", "not-one/file": ""})
	if err := os.Symlink("cpu,cpuacct", filepath.Join(root, "cpu")); err != nil {
		t.Fatal(err)
	}
	got, err := hierarchies(root)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(root, "cpu,cpuacct"), filepath.Join(root, "pids")}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestProcessesOfAllLevelsAndHierarchies(t *testing.T) {
	root := tree(t, map[string]string{
		"pids/g/cgroup.procs": "", "pids/g/node/cgroup.procs": "10\n11\n", "pids/g/kubepods/pod1/c/cgroup.procs": "20\n",
		"memory/g/kubepods/pod1/c/cgroup.procs": "20\n21\n", "pids/other/cgroup.procs": "99\n",
	})
	got := Group{name: "g", trees: []string{filepath.Join(root, "pids"), filepath.Join(root, "memory")}}.Processes()
	slices.Sort(got)
	if want := []int{10, 11, 20, 21}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestInheritFillsACpusetOfVersion1(t *testing.T) {
	root := tree(t, map[string]string{"cpuset.cpus": "0-1\n", "cpuset.mems": "0\n", "g/cpuset.cpus": "\n", "g/cpuset.mems": "\n"})
	if err := inherit(root, filepath.Join(root, "g")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "g", "cpuset.cpus"))
	if err != nil || string(data) != "0-1\n" {
		t.Errorf("got %q (%v)", data, err)
	}
}
