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
	"devserver.io/devserver/internal/version"
)

// Level is how bad a finding is.
type Level string

// Levels.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failure Level = "failure"
	// Unknown is something that this person may not see.
	Unknown Level = "unknown"
)

// Finding is what a check found, and, unless all is well, what to do.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

func ok(found string, args ...any) Finding {
	return Finding{Level: OK, Found: fmt.Sprintf(found, args...)}
}

func unknown(what string) Finding {
	return Finding{Level: Unknown, Found: what + ": only admins see that"}
}

func warn(remedy, found string, args ...any) Finding {
	return Finding{Level: Warning, Found: fmt.Sprintf(found, args...), Remedy: remedy}
}

func fail(remedy, found string, args ...any) Finding {
	return Finding{Level: Failure, Found: fmt.Sprintf(found, args...), Remedy: remedy}
}

// check is one of the things that are looked at.
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
)

// examine makes all checks. Those of a cluster that does not answer are left
// out: there would be one cause, said ten times.
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
	}
	return findings
}

var opensshVersion = regexp.MustCompile(`OpenSSH\D*(\d+)\.(\d+)`)

func checkSSH(f facts) Finding {
	const install = "install a current OpenSSH client (openssh-client)"
	found := opensshVersion.FindStringSubmatch(f.ssh)
	if f.ssh == "" {
		return fail(install, "there is no ssh")
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
		return fail("make one: ssh-keygen -t ed25519", "there is no SSH key in ~/.ssh, and none in an SSH agent")
	case f.agentKeys > 0:
		return ok("in ~/.ssh: %s; in the SSH agent: %d", cmp.Or(strings.Join(f.keys, ", "), "none"), f.agentKeys)
	}
	return ok("in ~/.ssh: %s; none in an SSH agent", strings.Join(f.keys, ", "))
}

func checkInclude(f facts) Finding {
	if f.included {
		return ok("~/.ssh/config includes the hosts of devctl ssh-config")
	}
	return Finding{Level: OK, Found: "~/.ssh/config does not know DevServers", Remedy: "for ssh, VS Code and others to know them by name: devctl ssh-config"}
}

func checkConfig(f facts) Finding {
	if f.config != "" {
		return fail("mend that: devctl config path says where it is", "%s", f.config)
	}
	return ok("nothing is wrong with it")
}

func checkCluster(f facts) Finding {
	if f.unreachable != "" {
		return fail("check the kubeconfig and the network: kubectl cluster-info; or choose another cluster with --context", "%s", f.unreachable)
	}
	return ok("%s answers; you are %s there, in namespace %s", f.server, cmp.Or(f.user, "unknown"), f.namespace)
}

// leastVersion is the first in which all is on that boxes need: image volumes.
var leastVersion = utilversion.MustParseGeneric("1.35")

func checkVersion(f facts) Finding {
	v, err := utilversion.ParseGeneric(f.about.Version)
	if err != nil {
		return warn("tell the admin", "the cluster says that it is of version %q", f.about.Version)
	}
	if v.LessThan(leastVersion) {
		return fail("the admin has to upgrade it", "Kubernetes %s is older than %s", f.about.Version, leastVersion)
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
	return ok("as the cluster's")
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
		return fail("the admin has to install the chart devserver-operator, or choose another cluster with --context", "the cluster has no DevServers (%s)", group)
	case len(missing) > 0:
		return fail("the admin has to upgrade the chart devserver-operator", "the cluster lacks %s of %s", strings.Join(missing, ", "), group)
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
		return fail(fmt.Sprintf("see why: kubectl -n %s logs deployment/devserver-operator", o.Namespace), "the operator in namespace %s does not run", o.Namespace)
	case o.Version != version.Version:
		return warn("use the devctl of the same version", "the operator is of version %s, and devctl of %s", cmp.Or(o.Version, "unknown"), version.Version)
	}
	return ok("version %s runs in namespace %s", o.Version, o.Namespace)
}

func checkRights(f facts) Finding {
	if len(f.denied) == 0 {
		return ok("all that devctl needs in namespace %s", f.namespace)
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
	const offer = "the admin has to offer one: docs/flavors.md"
	if f.flavors.hidden {
		return warn("ask the admin for the right to read devserverflavors", "you may not see which flavors there are")
	}
	if len(f.flavors.items) == 0 {
		return fail(offer, "there is no flavor, so that no DevServer can start")
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
		return warn("stop a server that is not needed, or wait: devctl flavors tells more", "no node has room for a server of any of the %d flavors", len(f.flavors.items))
	case !hasDefault:
		return warn("name one: devctl config set flavor "+fit[0], "there is room for %s, and no flavor is the default", strings.Join(fit, ", "))
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
			return warn("the admin may allow it: allowVolumeExpansion", "homes of the default StorageClass %s cannot grow", c.name)
		}
		return ok("homes are of the StorageClass %s, and can grow", c.name)
	}
	return fail("the admin has to mark one, or DevServers to name one: docs/storage.md", "no StorageClass is the default, so that homes without one get no volume")
}

func checkGateway(f facts) Finding {
	switch {
	case f.gateways.hidden:
		return unknown("the SSH gateway")
	case len(f.gateways.items) == 0:
		return ok("there is none: servers are reached by ports of their own")
	}
	return ok("%s", strings.Join(f.gateways.items, ", "))
}

// defaultRange is how many node ports there are unless the admin set another
// range, which the API does not tell.
const defaultRange = 2768

func checkNodePorts(f facts) Finding {
	if f.nodePorts.hidden {
		return unknown("the node ports in use")
	}
	used := len(f.nodePorts.items)
	if left := defaultRange - used; left < defaultRange/10 {
		return warn("use the gateway, or spec.ssh.service.type: ClusterIP", "of the %d node ports of the default range, %d are left", defaultRange, max(0, left))
	}
	return ok("of the %d of the default range, %d are in use", defaultRange, used)
}

// checkInotify says where to look: the limit is that of a node, which nobody
// sees from outside.
func checkInotify(facts) Finding {
	return Finding{
		Level: OK, Found: "a node's own limit, which only a server shows: devctl ssh NAME -- cat /proc/sys/fs/inotify/max_user_watches",
		Remedy: "below 524288, editors miss changes in large folders: the admin sets fs.inotify.max_user_watches on the nodes",
	}
}
