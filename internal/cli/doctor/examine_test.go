package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/version"
)

func flavor(name string, isDefault bool, schedulable devserverv1.FlavorSchedulable) devserverv1.DevServerFlavor {
	f := devserverv1.DevServerFlavor{}
	f.Name, f.Spec.Default, f.Status.Schedulable = name, isDefault, schedulable
	return f
}

// healthy is a machine and a cluster of which nothing is to be said.
func healthy() facts {
	f := facts{
		machineFacts: machineFacts{ssh: "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0", keys: []string{"id_ed25519.pub"}, included: true},
		clusterFacts: clusterFacts{
			server: "https://c", user: "ann", namespace: "dev-ann",
			about: cluster.About{Version: "v1.37.2", Kinds: []string{"devservers", "devserverflavors", "devserverusers"}},
		},
	}
	f.operators.items = []cluster.Operator{{Namespace: "devserver-system", Version: version.Version, Ready: 1}}
	f.flavors.items = []devserverv1.DevServerFlavor{flavor("small", true, devserverv1.SchedulableYes)}
	f.classes.items = []class{{"slow", false, false}, {"fast", true, true}}
	return f
}

func TestExamine(t *testing.T) {
	cases := map[string]struct {
		change func(*facts)
		check  string
		level  Level
		want   string // in what was found or its remedy
	}{
		"NoSSH":            {func(f *facts) { f.ssh = "" }, "ssh client", Failure, "install a current OpenSSH client"},
		"OtherSSH":         {func(f *facts) { f.ssh = "Dropbear v2024" }, "ssh client", Warning, "is not OpenSSH"},
		"OldSSH":           {func(f *facts) { f.ssh = "OpenSSH_7.9p1" }, "ssh client", Warning, "older than OpenSSH 8"},
		"WindowsSSH":       {func(f *facts) { f.ssh = "OpenSSH_for_Windows_9.5p1, LibreSSL 3.8.2" }, "ssh client", OK, "OpenSSH_for_Windows_9.5"},
		"NoKeys":           {func(f *facts) { f.keys = nil }, "ssh keys", Failure, "ssh-keygen -t ed25519"},
		"AgentKeysOnly":    {func(f *facts) { f.keys, f.agentKeys = nil, 2 }, "ssh keys", OK, "in the SSH agent: 2"},
		"NotIncluded":      {func(f *facts) { f.included = false }, "ssh config", OK, "devctl ssh-config"},
		"BadConfig":        {func(f *facts) { f.config = "line 2: no" }, "devctl config", Failure, "line 2: no"},
		"Unreachable":      {func(f *facts) { f.unreachable = "connection refused" }, "cluster", Failure, "kubectl cluster-info"},
		"Reachable":        {func(*facts) {}, "cluster", OK, "you are ann, in namespace dev-ann"},
		"OldCluster":       {func(f *facts) { f.about.Version = "v1.34.9" }, "version", Failure, "older than 1.35"},
		"OldestCluster":    {func(f *facts) { f.about.Version = "v1.35.0-eks-1" }, "version", OK, "v1.35.0"},
		"OddCluster":       {func(f *facts) { f.about.Version = "main" }, "version", Warning, `"main"`},
		"ClockAhead":       {func(f *facts) { f.about.Ahead = 2 * time.Minute }, "clock", Warning, "2m0s ahead of the cluster's"},
		"ClockBehind":      {func(f *facts) { f.about.Ahead = -2 * time.Minute }, "clock", Warning, "2m0s behind the cluster's"},
		"ClockOff":         {func(f *facts) { f.about.Ahead = 5 * time.Second }, "clock", OK, ""},
		"NotInstalled":     {func(f *facts) { f.about.Kinds = nil }, "definitions", Failure, "install the chart"},
		"OldDefinitions":   {func(f *facts) { f.about.Kinds = f.about.Kinds[:2] }, "definitions", Failure, "lacks devserverusers"},
		"NoOperator":       {func(f *facts) { f.operators.items = nil }, "operator", Failure, "no operator"},
		"OperatorDown":     {func(f *facts) { f.operators.items[0].Ready = 0 }, "operator", Failure, "kubectl -n devserver-system logs"},
		"OtherVersion":     {func(f *facts) { f.operators.items[0].Version = "9" }, "operator", Warning, "has version 9"},
		"OperatorHidden":   {func(f *facts) { f.operators.hidden = true }, "operator", Unknown, "only admins can see that"},
		"Denied":           {func(f *facts) { f.denied = rights[9:10] }, "permissions", Warning, "in namespace dev-ann you may not get pods/log (logs)"},
		"NoFlavors":        {func(f *facts) { f.flavors.items = nil }, "flavors", Failure, "docs/flavors.md"},
		"FlavorsHidden":    {func(f *facts) { f.flavors.hidden = true }, "flavors", Warning, "you may not list flavors"},
		"Full":             {func(f *facts) { f.flavors.items[0].Status.Schedulable = devserverv1.SchedulableNo }, "flavors", Warning, "no node has room"},
		"NoDefaultFlavor":  {func(f *facts) { f.flavors.items[0].Spec.Default = false }, "flavors", Warning, "devctl config set flavor small"},
		"NoDefaultClass":   {func(f *facts) { f.classes.items = f.classes.items[:1] }, "storage", Failure, "no StorageClass is the default"},
		"ClassStays":       {func(f *facts) { f.classes.items[1].expands = false }, "storage", Warning, "cannot grow"},
		"ClassesHidden":    {func(f *facts) { f.classes.hidden = true }, "storage", Unknown, ""},
		"Gateway":          {func(f *facts) { f.gateways.items = []string{"devserver-system/gateway"} }, "gateway", OK, "devserver-system/gateway"},
		"GatewayHidden":    {func(f *facts) { f.gateways.hidden = true }, "gateway", Unknown, ""},
		"FewNodePorts":     {func(f *facts) { f.nodePorts.items = make([]int32, 2700) }, "node ports", Warning, "68 of the 2768"},
		"NodePortsHidden":  {func(f *facts) { f.nodePorts.hidden = true }, "node ports", Unknown, ""},
		"InotifyIsInWords": {func(*facts) {}, "inotify", OK, "fs.inotify.max_user_watches"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			tc.change(&f)
			findings := examine(f)
			i := slices.IndexFunc(findings, func(f Finding) bool { return f.Check == tc.check })
			if i < 0 {
				t.Fatalf("%s is not in %+v", tc.check, findings)
			}
			if got := findings[i]; got.Level != tc.level || !strings.Contains(got.Found+got.Remedy, tc.want) {
				t.Errorf("got %+v, want %s with %q", got, tc.level, tc.want)
			}
			for j, got := range findings {
				if i != j && got.Level != OK {
					t.Errorf("beside it: %+v", got)
				}
				if (got.Level == Warning || got.Level == Failure) && got.Remedy == "" {
					t.Errorf("no remedy for %+v", got)
				}
			}
		})
	}
}

// If the cluster does not answer, nothing else is reported about it.
func TestExamineUnreachable(t *testing.T) {
	f := healthy()
	f.unreachable = "connection refused"
	if findings := examine(f); len(findings) != len(machineChecks)+1 {
		t.Errorf("got %+v", findings)
	}
}
