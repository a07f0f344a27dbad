package doctor

import (
	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

// facts are what the checks stand on.
type facts struct {
	machineFacts
	clusterFacts
}

// machineFacts are those of the person's own machine.
type machineFacts struct {
	// ssh is what "ssh -V" says; empty without an OpenSSH client.
	ssh string
	// keys are the public keys in ~/.ssh, agentKeys how many the SSH agent has.
	keys      []string
	agentKeys int
	// included tells whether ~/.ssh/config includes the file of devctl ssh-config.
	included bool
	// config is what is wrong with devctl's own configuration.
	config string
}

// clusterFacts are those of the cluster. What could not be seen is unseen.
type clusterFacts struct {
	// unreachable is why it does not answer.
	unreachable string
	server      string // its address
	user        string // who asks
	namespace   string
	about       cluster.About
	operators   seen[cluster.Operator]
	flavors     seen[devserverv1.DevServerFlavor]
	classes     seen[class]
	// denied are the rights that the person lacks in the namespace.
	denied []right
	// gateways are the addresses of the SSH gateway.
	gateways seen[string]
	// nodePorts are how many are in use.
	nodePorts seen[int32]
}

// seen are things that this person may perhaps not see.
type seen[T any] struct {
	items  []T
	hidden bool
}

type class struct {
	name               string
	isDefault, expands bool
}

// right is something that devctl does.
type right struct{ verb, group, resource, subresource, purpose string }

// rights are all that the commands need in a namespace.
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
	{"list", "", "persistentvolumeclaims", "", "create --shared, why"},
}
