package doctor

import (
	"slices"
	"strings"

	utilversion "k8s.io/apimachinery/pkg/util/version"

	"devserver.io/devserver/internal/cli/output"
)

// nodeCheck is a check of one node.
type nodeCheck struct {
	name  string
	about func(node) Finding
}

var nodeChecks = []nodeCheck{
	{"kubelet", checkKubelet},
	{"runtime", checkRuntime},
	{"out of memory", checkOutOfMemory},
}

// examineNodes runs all checks of nodes. Nodes with the same result share a finding.
func examineNodes(nodes []node) []Finding {
	var findings []Finding
	for _, c := range nodeChecks {
		first := len(findings)
		for _, n := range nodes {
			found := c.about(n)
			found.Check = c.name
			i := slices.IndexFunc(findings[first:], func(other Finding) bool {
				return found.Level == other.Level && found.Found == other.Found && found.Remedy == other.Remedy
			})
			if i < 0 {
				i = len(findings) - first
				findings = append(findings, found)
			}
			findings[first+i].Nodes = append(findings[first+i].Nodes, n.name)
		}
	}
	return findings
}

func checkNodes(f facts) Finding {
	nodes := f.admin.nodes
	switch {
	case nodes.hidden:
		return Finding{Level: Unknown, Found: "you may not list nodes", Remedy: "repeat the command as a cluster admin"}
	case len(nodes.items) == 0:
		return warn("add a Linux node, unless an autoscaler adds one when a server starts", "the cluster has no Linux node, so no server can run")
	}
	return ok("%s", output.Count(len(nodes.items), "Linux node"))
}

func checkKubelet(n node) Finding {
	v, err := utilversion.ParseGeneric(n.kubelet)
	switch {
	case err != nil:
		return warn("look at the node: kubectl get nodes -o wide", "the kubelet reports an invalid version: %q", n.kubelet)
	case v.LessThan(leastVersion):
		return warn("upgrade the node: servers require image volumes", "Kubernetes %s is older than %s", n.kubelet, leastVersion)
	}
	return ok("Kubernetes %s", n.kubelet)
}

// leastContainerd is the first version of containerd that supports image volumes, which
// servers require.
var leastContainerd = utilversion.MustParseGeneric("2.1")

// checkRuntime checks only the version of containerd. Other runtimes must support image
// volumes too, but it does not know which of their versions do.
func checkRuntime(n node) Finding {
	name, number, found := strings.Cut(n.runtime, "://")
	if !found {
		return warn("look at the node: kubectl get nodes -o wide", "the kubelet reports an invalid container runtime: %q", n.runtime)
	}
	if name != "containerd" {
		return ok("%s %s", name, number)
	}
	v, err := utilversion.ParseGeneric(number)
	switch {
	case err != nil:
		return warn("look at the node: kubectl get nodes -o wide", "containerd reports an invalid version: %q", number)
	case v.LessThan(leastContainerd):
		return warn("upgrade containerd: servers require image volumes", "containerd %s is older than %s", number, leastContainerd)
	}
	return ok("%s %s", name, number)
}

// checkOutOfMemory reports what the kernel kills when a server reaches its memory limit:
// all processes of the container if the kubelet has set memory.oom.group, otherwise one
// process. The kubelet sets it with cgroup v2, unless singleProcessOOMKill is true. Cgroup
// v1 does not have it.
func checkOutOfMemory(n node) Finding {
	const (
		one     = "when a server reaches its memory limit, one process is killed, and the others continue"
		all     = "when a server reaches its memory limit, all its processes are killed, and its container is restarted; SSH connections stay open"
		details = ": docs/troubleshooting.md#out-of-memory"
	)
	single := n.singleProcessOOMKill
	switch {
	case n.unread != noCause:
		return unread(n.unread)
	case n.cgroup == 1:
		return Finding{Level: OK, Found: one, Remedy: "to kill all processes instead, change the node to cgroup v2" + details}
	case single != nil && *single:
		return Finding{Level: OK, Found: one, Remedy: "to restart the container instead, remove singleProcessOOMKill from the kubelet's configuration" + details}
	case single != nil || n.cgroup == 2:
		return Finding{Level: OK, Found: all, Remedy: "to kill one process only, set singleProcessOOMKill: true in the kubelet's configuration" + details}
	}
	return Finding{
		Level: Unknown, Found: "the kubelet does not report whether one process or all processes are killed when a server reaches its memory limit",
		Remedy: "set singleProcessOOMKill in the kubelet's configuration, which requires kubelet 1.32 or later" + details,
	}
}

// unread is the finding about a kubelet whose facts could not be read.
func unread(why cause) Finding {
	switch why {
	case forbidden:
		return Finding{Level: Unknown, Found: "reading the kubelet's configuration is forbidden", Remedy: "repeat the command as a cluster admin, who may get nodes/proxy"}
	case unanswered:
		return Finding{Level: Unknown, Found: "the kubelet did not answer in time", Remedy: "check the node: kubectl describe node NAME"}
	}
	return Finding{Level: Unknown, Found: "the kubelet's configuration cannot be read through the API server", Remedy: "see why: kubectl get --raw /api/v1/nodes/NAME/proxy/configz"}
}
