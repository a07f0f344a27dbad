package part

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/process"
)

func specs(t *testing.T) map[string]process.Spec {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("the configuration is written below /var/lib, which requires root")
	}
	// Another checkout may run this test on the same machine.
	c, err := cluster.New(fmt.Sprintf("part-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(c.State()); err != nil {
			t.Error(err)
		}
		cluster.Prune()
	})
	list, err := Specs(Setting{Cluster: c, Plan: network.NewPlan(3), Binaries: "/programs", CgroupRoot: "/devserver-part-test"}, Names)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestPartsUseOnlyFoldersOfCluster(t *testing.T) {
	own := []string{"/var/lib/devserver/part-test", "/run/devserver/part-test", "/programs", "/usr/lib/cni", "/var/log/pods", "/devserver-part-test", "/healthz", "/livez", "/readyz", "/version", "/openapi"}
	for _, s := range specs(t) {
		texts := slices.Clone(s.Args)
		for _, path := range s.Configs {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(data))
		}
		for _, path := range paths(strings.Join(texts, "\n")) {
			if !slices.ContainsFunc(own, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
				t.Errorf("%s uses %s, which another cluster, or the host, may use too", s.Name, path)
			}
		}
	}
}

// paths returns what looks like an absolute path: a slash after a separator.
func paths(text string) []string {
	var found []string
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\"'=,[]{}", r) }) {
		word = strings.TrimPrefix(word, "unix://")
		if filepath.IsAbs(word) && !strings.HasPrefix(word, "//") && len(word) > 1 {
			found = append(found, word)
		}
	}
	return found
}

func TestConfigurationIsForRootOnly(t *testing.T) {
	for _, s := range specs(t) {
		for _, path := range s.Configs {
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v (%v)", path, info, err)
			}
		}
	}
}

func TestSettingsForBenchmarks(t *testing.T) {
	all := map[string]string{}
	for _, s := range specs(t) {
		all[s.Name] = strings.Join(s.Args, " ")
		for _, path := range s.Configs {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all[s.Name] += "\n" + string(data)
		}
	}
	for name, wants := range map[string][]string{
		"kube-controller-manager": {"--kube-api-qps=500", "--kube-api-burst=1000", "--concurrent-statefulset-syncs=20"},
		"kubelet":                 {"singleProcessOOMKill: true", "failCgroupV1: false", "maxPods: 250"},
		"kube-apiserver":          {"--audit-log-path=", "level: Metadata", "--authorization-mode=Node,RBAC"},
		"containerd":              {"restrict_oom_score_adj = true", PauseImage},
	} {
		for _, want := range wants {
			if !strings.Contains(all[name], want) {
				t.Errorf("%s lacks %s", name, want)
			}
		}
	}
}
