package doctor

import (
	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// facts are the input of the checks.
type facts struct {
	machineFacts
	clusterFacts
	// admin are the facts for --admin; nil without it.
	admin *adminFacts
}

// machineFacts are those of the user's own machine.
type machineFacts struct {
	// ssh is the output of ssh -V; empty without an OpenSSH client.
	ssh string
	// keys are the public keys in ~/.ssh, and agentKeys the number of keys in the SSH
	// agent.
	keys      []string
	agentKeys int
	// included tells whether ~/.ssh/config includes the file of devctl ssh-config.
	included bool
	// config is what is wrong with devctl's own configuration.
	config string
}

// clusterFacts are those of the cluster.
type clusterFacts struct {
	// unreachable is why the cluster does not answer; empty if it does.
	unreachable string
	server      string // its address
	user        string // the name by which the cluster knows the user
	namespace   string
	about       cluster.About
	operators   seen[cluster.Operator]
	flavors     seen[devserverv1.DevServerFlavor]
	classes     seen[class]
	// denied are the rights that the user does not have in the namespace.
	denied []right
	// gateways are the addresses of the SSH gateway.
	gateways seen[string]
	// nodePorts are those in use.
	nodePorts seen[int32]
}

// seen are objects; hidden means that the user may not read them.
type seen[T any] struct {
	items  []T
	hidden bool
}

type class struct {
	name               string
	isDefault, expands bool
}

// adminFacts are those that only admins can read.
type adminFacts struct {
	// nodes are the Linux nodes. Servers do not run on other nodes.
	nodes seen[node]
}

// node is a node and what its kubelet reports.
type node struct {
	name string
	// kubelet and runtime are versions, such as "v1.37.2" and "containerd://2.3.1".
	kubelet, runtime string
	// unread is why the facts below, which the kubelet itself reports, are unknown.
	unread cause
	// singleProcessOOMKill is the kubelet's setting; nil if it is not set. The kubelet
	// does not report the default, which depends on the version of control groups.
	singleProcessOOMKill *bool
	// cgroup is the version of control groups, 1 or 2; 0 if it is unknown.
	cgroup int
}

// cause is why the facts of a kubelet could not be read.
type cause int

const (
	noCause cause = iota
	forbidden
	unanswered // The kubelet did not answer in time.
	unreadable
)

// right is something that devctl does.
type right struct{ verb, group, resource, subresource, purpose string }

// rights are those that the commands require in a namespace.
var rights = []right{
	{"get", devserverv1.GroupVersion.Group, "devservers", "", "all commands"},
	{"list", devserverv1.GroupVersion.Group, "devservers", "", "list"},
	{"watch", devserverv1.GroupVersion.Group, "devservers", "", "wait"},
	{"create", devserverv1.GroupVersion.Group, "devservers", "", "create"},
	{"patch", devserverv1.GroupVersion.Group, "devservers", "", "start, stop, restart, resize"},
	{"delete", devserverv1.GroupVersion.Group, "devservers", "", "delete"},
	{"list", devserverv1.GroupVersion.Group, "devserverflavors", "", "create, flavors"},
	{"patch", "coordination.k8s.io", "leases", "", "start, keep"},
	{"watch", "", "pods", "", "wait, why"},
	{"get", "", "pods", "log", "logs"},
	{"create", "", "pods", "portforward", "port-forward, ssh-proxy"},
	{"list", "", "events", "", "events, why"},
	{"list", "", "persistentvolumeclaims", "", "create --shared, homes, why"},
	{"delete", "", "persistentvolumeclaims", "", "delete --home, homes delete"},
}
