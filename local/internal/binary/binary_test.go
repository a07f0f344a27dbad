package binary

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"devserver.io/devserver/local/internal/progress"
)

func TestCounter(t *testing.T) {
	c := &counter{step: progress.New(os.Stderr).Start("test")}
	asked := 0
	c.first = func() { asked++ }
	for i, step := range []struct{ line, want string }{
		{"go: downloading k8s.io/api v0.37.2", "1 modules downloaded"},
		{"go: downloading k8s.io/client-go v0.37.2", "2 modules downloaded"},
		{"internal/goarch", "1 packages compiled"},
		{"# k8s.io/broken", ""},
		{"file.go:1:2: undefined: x", ""},
		{"k8s.io/api/core/v1", "2 packages compiled"},
	} {
		if got := c.count(step.line); got != step.want {
			t.Errorf("line %d: %q, want %q", i, got, step.want)
		}
	}
	if asked != 1 {
		t.Errorf("the total was asked for %d times, want once, at the first package", asked)
	}
	c.expect(8)
	if got := c.count("k8s.io/api/apps/v1"); got != "3 of 10 packages compiled" {
		t.Errorf("with a total: %q", got)
	}
}

func TestAvailable(t *testing.T) {
	if got := available("MemTotal:       100 kB\nMemAvailable:   42 kB\n"); got != 42 {
		t.Errorf("got %d", got)
	}
}

func TestSelect(t *testing.T) {
	selected, err := Select([]string{"kube-apiserver", "etcd", "kubectl"})
	if err != nil {
		t.Fatal(err)
	}
	if len(selected) != 2 || selected[0].Name != "node" || selected[1].Name != "kubectl" {
		t.Errorf("got %v, want node once, for both of its parts, and kubectl", selected)
	}
	if _, err := Select([]string{"docker"}); err == nil || !strings.Contains(err.Error(), "docker") {
		t.Errorf("an unknown program gives %v", err)
	}
}

func TestVersionsMatchGoMod(t *testing.T) {
	data, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for module, version := range map[string]string{"k8s.io/kubernetes": kubernetesVersion, "helm.sh/helm/v4": helmVersion} {
		if !strings.Contains(string(data), "\t"+module+" "+version) {
			t.Errorf("programs would say %s %s, which is not what go.mod has", module, version)
		}
	}
	minor := strings.Split(kubernetesVersion, ".")[1]
	if !strings.Contains(strings.Join(flags, " "), "gitMinor="+minor+" ") {
		t.Errorf("the flags do not name minor version %s", minor)
	}
}

func TestKeyChangesWithSources(t *testing.T) {
	module := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(module, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("go.mod", "module m")
	put("go.sum", "")
	put("cmd/pause/main.go", "package main")
	put("cmd/other/main.go", "package main")
	target := Target{Name: "pause", Package: "./cmd/pause", Sources: []string{"cmd/pause"}}
	key := func(compiler string) string {
		t.Helper()
		k, err := target.key(module, compiler)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := key("go1")
	put("cmd/other/main.go", "package main // changed")
	put("cmd/pause/main_test.go", "package main")
	if key("go1") != first {
		t.Error("the key changed with a file that is not part of the program")
	}
	if key("go2") == first {
		t.Error("the key is the same for another compiler")
	}
	put("cmd/pause/main.go", "package main // changed")
	if key("go1") == first {
		t.Error("the key is the same for other sources")
	}
	second := key("go1")
	put("go.mod", "module m // changed")
	if key("go1") == second {
		t.Error("the key is the same for other versions")
	}
}

// TestSourcesAreComplete: a program is rebuilt only if its listed sources change, so
// all of them must be listed.
func TestSourcesAreComplete(t *testing.T) {
	const module, own = "../..", `"devserver.io/devserver/local/`
	for _, target := range Targets {
		for _, dir := range target.Sources {
			files, err := filepath.Glob(filepath.Join(module, dir, "*.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for line := range strings.Lines(string(data)) {
					_, after, ok := strings.Cut(line, own)
					imported, _, quoted := strings.Cut(after, `"`)
					if ok && quoted && !strings.HasSuffix(file, "_test.go") && !slices.Contains(target.Sources, imported) {
						t.Errorf("%s imports %s, which is not among the sources of %s", file, imported, target.Name)
					}
				}
			}
		}
	}
}
