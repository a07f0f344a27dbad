package doctor

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// current returns a node without any problem.
func current() node {
	return node{name: "n1", kubelet: "v1.37.2", runtime: "containerd://2.3.1", cgroup: 2}
}

func TestNodeChecks(t *testing.T) {
	yes, no := true, false
	const (
		one = "one process is killed, and the others continue"
		all = "all its processes are killed, and its container is restarted; SSH connections stay open"
	)
	for name, tc := range map[string]struct {
		change func(*node)
		about  func(node) Finding
		level  Level
		want   []string // in what was found or its remedy
	}{
		"Kubelet":       {func(*node) {}, checkKubelet, OK, []string{"Kubernetes v1.37.2"}},
		"OldestKubelet": {func(n *node) { n.kubelet = "v1.35.0-eks-1" }, checkKubelet, OK, []string{"v1.35.0"}},
		"OldKubelet":    {func(n *node) { n.kubelet = "v1.34.9" }, checkKubelet, Warning, []string{"v1.34.9 is older than 1.35", "upgrade the node"}},
		"OddKubelet":    {func(n *node) { n.kubelet = "" }, checkKubelet, Warning, []string{`""`}},

		"Containerd":       {func(*node) {}, checkRuntime, OK, []string{"containerd 2.3.1"}},
		"OldestContainerd": {func(n *node) { n.runtime = "containerd://2.1.0-k3s1" }, checkRuntime, OK, []string{"containerd 2.1.0-k3s1"}},
		"OldContainerd":    {func(n *node) { n.runtime = "containerd://1.7.27" }, checkRuntime, Warning, []string{"containerd 1.7.27 is older than 2.1", "upgrade containerd"}},
		"OddContainerd":    {func(n *node) { n.runtime = "containerd://main" }, checkRuntime, Warning, []string{`"main"`}},
		"OtherRuntime":     {func(n *node) { n.runtime = "cri-o://1.20.0" }, checkRuntime, OK, []string{"cri-o 1.20.0"}},
		"OddRuntime":       {func(n *node) { n.runtime = "none" }, checkRuntime, Warning, []string{`"none"`}},

		"AllByDefault":    {func(*node) {}, checkOutOfMemory, OK, []string{all, "set singleProcessOOMKill: true", "docs/troubleshooting.md#out-of-memory"}},
		"AllBySetting":    {func(n *node) { n.singleProcessOOMKill, n.cgroup = &no, 0 }, checkOutOfMemory, OK, []string{all}},
		"OneBySetting":    {func(n *node) { n.singleProcessOOMKill = &yes }, checkOutOfMemory, OK, []string{one, "remove singleProcessOOMKill", "docs/troubleshooting.md#out-of-memory"}},
		"OneByCgroupV1":   {func(n *node) { n.cgroup = 1 }, checkOutOfMemory, OK, []string{one, "change the node to cgroup v2"}},
		"NeitherReported": {func(n *node) { n.cgroup = 0 }, checkOutOfMemory, Unknown, []string{"does not report", "1.32 or later"}},
		"Forbidden":       {func(n *node) { n.unread = forbidden }, checkOutOfMemory, Unknown, []string{"forbidden", "nodes/proxy"}},
		"Unanswered":      {func(n *node) { n.unread = unanswered }, checkOutOfMemory, Unknown, []string{"did not answer in time", "kubectl describe node"}},
		"Unreadable":      {func(n *node) { n.unread = unreadable }, checkOutOfMemory, Unknown, []string{"cannot be read", "kubectl get --raw"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := current()
			tc.change(&n)
			got := tc.about(n)
			if got.Level != tc.level {
				t.Errorf("got %+v, want %s", got, tc.level)
			}
			for _, want := range tc.want {
				if !strings.Contains(got.Found+"\n"+got.Remedy, want) {
					t.Errorf("got %+v, want %q", got, want)
				}
			}
			if got.Level != OK && got.Remedy == "" {
				t.Errorf("no remedy for %+v", got)
			}
		})
	}
}

// Nodes with the same result share a finding, which names them all.
func TestNodesShareFindings(t *testing.T) {
	old, silent := current(), current()
	old.name, old.runtime = "n2", "containerd://1.7.27"
	silent.name, silent.unread = "n3", unanswered
	last := current()
	last.name = "n4"
	nodes := []node{current(), old, silent, last}
	type line struct {
		Check string
		Level Level
		Nodes string
	}
	var got []line
	for _, f := range examineNodes(nodes) {
		got = append(got, line{f.Check, f.Level, strings.Join(f.Nodes, " ")})
	}
	want := []line{
		{"kubelet", OK, "n1 n2 n3 n4"},
		{"runtime", OK, "n1 n3 n4"},
		{"runtime", Warning, "n2"},
		{"out of memory", OK, "n1 n2 n4"},
		{"out of memory", Unknown, "n3"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The checks of nodes run only with --admin, after all other checks.
func TestExamineAdmin(t *testing.T) {
	f := healthy()
	users := len(examine(f))
	for name, tc := range map[string]struct {
		nodes seen[node]
		level Level
		want  string
		more  int // findings after the one about the list of nodes
	}{
		"Nodes":  {seen[node]{items: []node{current()}}, OK, "1 Linux node", len(nodeChecks)},
		"Hidden": {seen[node]{hidden: true}, Unknown, "you may not list nodes", 0},
		"None":   {seen[node]{}, Warning, "no Linux node", 0},
	} {
		t.Run(name, func(t *testing.T) {
			f.admin = &adminFacts{nodes: tc.nodes}
			findings := examine(f)[users:]
			if got := findings[0]; got.Check != "nodes" || got.Level != tc.level || !strings.Contains(got.Found, tc.want) || (got.Level != OK && got.Remedy == "") {
				t.Errorf("got %+v, want %s with %q, and a remedy", got, tc.level, tc.want)
			}
			if len(findings) != 1+tc.more {
				t.Errorf("got %+v, want %d findings", findings, 1+tc.more)
			}
		})
	}
}

// Text that a node reports cannot control the terminal.
func TestFindingsArePrintable(t *testing.T) {
	f, n := healthy(), current()
	n.runtime = "evil://\x1b[2J\n"
	f.admin = &adminFacts{nodes: seen[node]{items: []node{n}}}
	var out strings.Builder
	if err := show(&out, examine(f)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `n1: evil \x1b[2J\n`) {
		t.Errorf("got %q", out.String())
	}
}

func TestSome(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	for n, want := range map[int]string{1: "a", 2: "a and b", 3: "a, b and c", 4: "a, b, c and 1 more node", 5: "a, b, c and 2 more nodes"} {
		if got := some(names[:n]); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
