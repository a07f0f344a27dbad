package doctor

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	utilversion "k8s.io/apimachinery/pkg/util/version"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/printable"
	"devserver.io/devserver/internal/version"
)

// Level is the severity of a finding.
type Level string

// Levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failure Level = "failure"
	// Unknown means that the user may not read it.
	Unknown Level = "unknown"
)

// Finding is the result of a check, and how to fix it.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
	// Nodes are the names of the nodes that the finding is about.
	Nodes []string `json:"nodes,omitempty"`
}

func ok(found string, args ...any) Finding {
	return Finding{Level: OK, Found: fmt.Sprintf(found, args...)}
}

func unknown(what string) Finding {
	return Finding{Level: Unknown, Found: what + ": only admins can see that"}
}

func warn(remedy, found string, args ...any) Finding {
	return Finding{Level: Warning, Found: fmt.Sprintf(found, args...), Remedy: remedy}
}

func fail(remedy, found string, args ...any) Finding {
	return Finding{Level: Failure, Found: fmt.Sprintf(found, args...), Remedy: remedy}
}

// check is one check.
type check struct {
	name  string
	about func(facts) Finding
}

var (
	machineChecks = []check{
		{"ssh client", checkSSH}, {"ssh keys", checkKeys}, {"ssh config", checkInclude}, {"devctl config", checkConfig},
	}
	clusterChecks = []check{
		{"version", checkVersion},
		{"clock", checkClock},
		{"definitions", checkKinds},
		{"operator", checkOperator},
		{"permissions", checkRights},
		{"flavors", checkFlavors},
		{"storage", checkClasses},
		{"gateway", checkGateway},
		{"node ports", checkNodePorts},
		{"inotify", checkInotify},
	}
	// adminChecks run only with --admin, before nodeChecks.
	adminChecks = []check{
		{"nodes", checkNodes},
	}
)

// examine runs all checks. If the cluster does not answer, it leaves out the others
// of the cluster, which would all report the same cause.
func examine(f facts) []Finding {
	var findings []Finding
	run := func(checks ...check) {
		for _, c := range checks {
			found := c.about(f)
			found.Check = c.name
			findings = append(findings, found)
		}
	}
	run(machineChecks...)
	run(check{"cluster", checkCluster})
	if f.unreachable == "" {
		run(clusterChecks...)
		if f.admin != nil {
			run(adminChecks...)
			findings = append(findings, examineNodes(f.admin.nodes.items)...)
		}
	}
	for i := range findings {
		findings[i].clean()
	}
	return findings
}

// clean makes the texts safe to print, because parts of them come from the cluster.
func (f *Finding) clean() {
	f.Found, f.Remedy = printable.Line(f.Found, 0), printable.Line(f.Remedy, 0)
	for i, name := range f.Nodes {
		f.Nodes[i] = printable.Line(name, 0)
	}
}

var opensshVersion = regexp.MustCompile(`OpenSSH\D*(\d+)\.(\d+)`)

func checkSSH(f facts) Finding {
	const install = "install a current OpenSSH client (openssh-client)"
	found := opensshVersion.FindStringSubmatch(f.ssh)
	if f.ssh == "" {
		return fail(install, "ssh is not installed")
	}
	if found == nil {
		return warn(install, "ssh is not OpenSSH: %s", f.ssh)
	}
	const oldest = 8
	if major, err := strconv.Atoi(found[1]); err != nil || major < oldest {
		return warn(install, "%s is older than OpenSSH %d", found[0], oldest)
	}
	return ok("%s", found[0])
}

func checkKeys(f facts) Finding {
	switch {
	case len(f.keys) == 0 && f.agentKeys == 0:
		return fail("create one: ssh-keygen -t ed25519", "there is no SSH key in ~/.ssh or in an SSH agent")
	case f.agentKeys > 0:
		return ok("in ~/.ssh: %s; in the SSH agent: %d", cmp.Or(strings.Join(f.keys, ", "), "none"), f.agentKeys)
	}
	return ok("in ~/.ssh: %s; none in an SSH agent", strings.Join(f.keys, ", "))
}

func checkInclude(f facts) Finding {
	if f.included {
		return ok("~/.ssh/config includes the hosts of devctl ssh-config")
	}
	return Finding{Level: OK, Found: "~/.ssh/config does not include DevServers", Remedy: "to reach them by name from ssh, VS Code and others: devctl ssh-config"}
}

func checkConfig(f facts) Finding {
	if f.config != "" {
		return fail("fix the file: devctl config path prints its path", "%s", f.config)
	}
	return ok("valid")
}

func checkCluster(f facts) Finding {
	if f.unreachable != "" {
		return fail("check the kubeconfig and the network: kubectl cluster-info; or choose another cluster with --context", "%s", f.unreachable)
	}
	return ok("%s answers; you are %s, in namespace %s", f.server, cmp.Or(f.user, "unknown"), f.namespace)
}

// leastVersion is the first version that has image volumes enabled, which servers
// require.
var leastVersion = utilversion.MustParseGeneric("1.35")

func checkVersion(f facts) Finding {
	v, err := utilversion.ParseGeneric(f.about.Version)
	if err != nil {
		return warn("ask the admin", "the cluster reports the version %q", f.about.Version)
	}
	if v.LessThan(leastVersion) {
		return fail("ask the admin to upgrade it", "Kubernetes %s is older than %s", f.about.Version, leastVersion)
	}
	return ok("Kubernetes %s", f.about.Version)
}

func checkClock(f facts) Finding {
	const much = 30 * time.Second
	switch {
	case f.about.Ahead > much:
		return warn("set the clock of this machine, for example by NTP", "the clock of this machine is %s ahead of the cluster's", f.about.Ahead.Round(time.Second))
	case f.about.Ahead < -much:
		return warn("set the clock of this machine, for example by NTP", "the clock of this machine is %s behind the cluster's", -f.about.Ahead.Round(time.Second))
	}
	return ok("in step with the cluster's")
}

func checkKinds(f facts) Finding {
	var missing []string
	for _, kind := range []string{"devservers", "devserverflavors", "devserverusers"} {
		if !slices.Contains(f.about.Kinds, kind) {
			missing = append(missing, kind)
		}
	}
	group := devserverv1.GroupVersion.String()
	switch {
	case len(missing) == 3:
		return fail("ask the admin to install the chart devserver-operator, or choose another cluster with --context", "the cluster has no DevServers (%s)", group)
	case len(missing) > 0:
		return fail("ask the admin to upgrade the chart devserver-operator", "the cluster lacks %s of %s", strings.Join(missing, ", "), group)
	}
	return ok("the cluster has all of %s", group)
}

func checkOperator(f facts) Finding {
	if f.operators.hidden {
		return unknown("the operator")
	}
	if len(f.operators.items) == 0 {
		return fail("install the chart devserver-operator", "there is no operator in the cluster")
	}
	o := f.operators.items[0]
	switch {
	case o.Ready == 0:
		return fail(fmt.Sprintf("see why: kubectl -n %s logs deployment/devserver-operator", o.Namespace), "the operator in namespace %s is not running", o.Namespace)
	case o.Version != version.Version:
		return warn("use the devctl of the same version", "the operator has version %s, and devctl %s", cmp.Or(o.Version, "unknown"), version.Version)
	}
	return ok("version %s is running in namespace %s", o.Version, o.Namespace)
}

func checkRights(f facts) Finding {
	if len(f.denied) == 0 {
		return ok("all that devctl requires in namespace %s", f.namespace)
	}
	var lacking []string
	for _, r := range f.denied {
		resource := r.resource
		if r.subresource != "" {
			resource += "/" + r.subresource
		}
		lacking = append(lacking, fmt.Sprintf("%s %s (%s)", r.verb, resource, r.purpose))
	}
	return warn("ask the admin, or choose your own namespace with -n", "in namespace %s you may not %s", f.namespace, strings.Join(lacking, ", "))
}

func checkFlavors(f facts) Finding {
	const offer = "ask the admin to create one: docs/flavors.md"
	if f.flavors.hidden {
		return warn("ask the admin for the right to read devserverflavors", "you may not list flavors")
	}
	if len(f.flavors.items) == 0 {
		return fail(offer, "there is no flavor, so no DevServer can start")
	}
	var fit []string
	hasDefault := false
	for _, flavor := range f.flavors.items {
		if s := flavor.Status.Schedulable; s == devserverv1.SchedulableYes || s == devserverv1.SchedulableAutoscaled || s == devserverv1.SchedulableUnknown {
			fit = append(fit, flavor.Name)
		}
		hasDefault = hasDefault || flavor.Spec.Default
	}
	switch {
	case len(fit) == 0:
		return warn("stop a server that is not needed, or wait; for details: devctl flavors -o wide", "no node has room for a server of any of the %d flavors", len(f.flavors.items))
	case !hasDefault:
		return warn("choose one: devctl config set flavor "+fit[0], "there is room for %s, but no flavor is the default", strings.Join(fit, ", "))
	}
	return ok("there is room for %s", strings.Join(fit, ", "))
}

func checkClasses(f facts) Finding {
	if f.classes.hidden {
		return unknown("the storage classes")
	}
	for _, c := range f.classes.items {
		if !c.isDefault {
			continue
		}
		if !c.expands {
			return warn("if the storage supports it, an admin can set allowVolumeExpansion", "home directories of the default StorageClass %s cannot grow", c.name)
		}
		return ok("home directories get the StorageClass %s and can grow", c.name)
	}
	return fail("ask the admin for a default, or choose one with devctl create --storage-class: docs/storage.md", "no StorageClass is the default, so home directories without one get no volume")
}

func checkGateway(f facts) Finding {
	switch {
	case f.gateways.hidden:
		return unknown("the SSH gateway")
	case len(f.gateways.items) == 0:
		return ok("none: each server has a port of its own")
	}
	return ok("%s", strings.Join(f.gateways.items, ", "))
}

// defaultRange is the number of node ports, unless the admin set another range, which
// the API does not report.
const defaultRange = 2768

func checkNodePorts(f facts) Finding {
	if f.nodePorts.hidden {
		return unknown("the node ports in use")
	}
	used := len(f.nodePorts.items)
	if left := defaultRange - used; left < defaultRange/10 {
		return warn("use the gateway, or spec.ssh.service.type: ClusterIP", "%[2]d of the %[1]d node ports of the default range are left", defaultRange, max(0, left))
	}
	return ok("%[2]d of the %[1]d of the default range are in use", defaultRange, used)
}

// checkInotify says how to check the limit of a node, which is visible only in a
// server.
func checkInotify(facts) Finding {
	return Finding{
		Level: OK, Found: "a limit of each node, to be read in a server: devctl ssh NAME -- cat /proc/sys/fs/inotify/max_user_watches",
		Remedy: "below 524288, editors miss changes in large directories: an admin sets fs.inotify.max_user_watches on the nodes",
	}
}
