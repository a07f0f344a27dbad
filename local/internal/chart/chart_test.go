package chart

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"devserver.io/devserver/local/internal/progress"
)

// fakeCluster answers what an installation reads, and records what it changes.
type fakeCluster struct {
	// revisions are the UIDs of the revisions by release; the fake Helm adds to them.
	revisions map[string][]string
	crdOwner  string
	changes   []string
}

func (f *fakeCluster) Get(_ context.Context, path string, out any) error {
	if !strings.Contains(path, "/deployments?") {
		return decode(map[string]any{}, out)
	}
	_, release, _ := strings.Cut(path, "instance%3D")
	return decode(items(map[string]any{
		"metadata": map[string]any{"name": release + "-deployment", "generation": 1},
		"status":   map[string]any{"observedGeneration": 1},
	}), out)
}

func (f *fakeCluster) GetMetadata(_ context.Context, path string, out any) error {
	if strings.Contains(path, "/customresourcedefinitions?") {
		return decode(items(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"meta.helm.sh/release-name": f.crdOwner}}}), out)
	}
	var list []map[string]any
	for release, revisions := range f.revisions {
		for i, uid := range revisions {
			labels := map[string]any{"name": release, "version": string(rune('1' + i))}
			list = append(list, map[string]any{"metadata": map[string]any{"uid": uid, "labels": labels}})
		}
	}
	return decode(items(list...), out)
}

func (f *fakeCluster) Patch(_ context.Context, path string, _ any) error {
	f.changes = append(f.changes, "patch "+filepath.Base(path))
	return nil
}

func (f *fakeCluster) Delete(_ context.Context, path string) error {
	f.changes = append(f.changes, "delete "+filepath.Base(path))
	return nil
}

func items(list ...map[string]any) map[string]any { return map[string]any{"items": list} }

func decode(value, out any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, out)
}

// fakeHelm is a program that logs its arguments, and prints values.
const fakeHelm = `#!/bin/sh
echo "$@" >>"$HOME/calls"
case $1 in
get) echo '{"replicas":2}' ;;
upgrade) cat >>"$HOME/calls" ;;
esac
`

func TestInstall(t *testing.T) {
	const (
		upgrade  = "upgrade --install devserver CHART --create-namespace --reset-then-reuse-values --set-string=images.operator=devserver.io/operator:1"
		inSystem = " --namespace=devserver-system"
	)
	for name, test := range map[string]struct {
		cluster fakeCluster
		// recorded is the revision that an earlier run recorded, if there was one,
		// together with the content "old" of the images.
		recorded    string
		content     string
		wantHelm    []string
		wantChanges []string
	}{
		"new cluster": {
			wantHelm: []string{upgrade + inSystem},
		},
		"nothing differs": {
			cluster:  fakeCluster{revisions: map[string][]string{release: {"a", "b"}}},
			recorded: "b",
		},
		"new content of an image": {
			cluster:     fakeCluster{revisions: map[string][]string{release: {"b"}}},
			recorded:    "b",
			content:     "new",
			wantChanges: []string{"patch devserver-deployment"},
		},
		"upgraded by hand since": {
			cluster:  fakeCluster{revisions: map[string][]string{release: {"a", "b", "c"}}},
			recorded: "b",
			wantHelm: []string{upgrade + inSystem},
		},
		"installed by hand, and never by this tool": {
			cluster:  fakeCluster{revisions: map[string][]string{release: {"a"}}, crdOwner: release},
			wantHelm: []string{upgrade + inSystem},
		},
		"uninstalled by hand": {
			cluster:  fakeCluster{crdOwner: release},
			recorded: "b",
			wantHelm: []string{upgrade + inSystem},
		},
		"former release": {
			cluster: fakeCluster{revisions: map[string][]string{formerRelease: {"a"}}, crdOwner: formerRelease},
			content: "new", // Starts with the new Deployments, without another restart.
			wantHelm: []string{
				"get values devserver-operator --output=json" + inSystem,
				upgrade + " --take-ownership --values=-" + inSystem, `{"replicas":2}`,
				"uninstall devserver-operator" + inSystem,
			},
			wantChanges: []string{"delete devserver-operator-deployment"},
		},
		"interrupted before the former release was uninstalled": {
			cluster:  fakeCluster{revisions: map[string][]string{formerRelease: {"a"}, release: {"b"}}, crdOwner: release},
			recorded: "b",
			content:  "new",
			wantHelm: []string{
				upgrade + " --take-ownership" + inSystem,
				"uninstall devserver-operator" + inSystem,
			},
			wantChanges: []string{"delete devserver-operator-deployment"},
		},
		"former release uninstalled by hand, its CRDs stayed": {
			cluster:  fakeCluster{crdOwner: formerRelease},
			wantHelm: []string{upgrade + " --take-ownership" + inSystem},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			chart := filepath.Join(dir, "chart")
			write(t, filepath.Join(chart, "Chart.yaml"), "name: devserver-operator\n")
			write(t, filepath.Join(dir, "helm"), fakeHelm)
			o := Options{
				Folder: chart, Helm: filepath.Join(dir, "helm"), Kubeconfig: filepath.Join(dir, "kubeconfig"), Log: filepath.Join(dir, "log"),
				Record: filepath.Join(dir, "record"), References: map[string]string{"operator": "devserver.io/operator:1"},
				Content: "old", Client: &test.cluster, Reporter: progress.New(quiet(t)),
			}
			if test.recorded != "" {
				hash, err := o.hash()
				if err != nil {
					t.Fatal(err)
				}
				old, err := json.Marshal(record{Chart: hash, Images: "old", Revision: test.recorded})
				if err != nil {
					t.Fatal(err)
				}
				write(t, o.Record, string(old))
			}
			if test.content != "" {
				o.Content = test.content
			}
			installed, err := Install(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if want := len(test.wantHelm) > 0; installed != want {
				t.Errorf("installed: %v, want %v", installed, want)
			}
			var calls []string
			if data, err := os.ReadFile(filepath.Join(dir, "calls")); err == nil {
				calls = strings.Split(strings.TrimSpace(strings.ReplaceAll(string(data), chart, "CHART")), "\n")
			}
			if !slices.Equal(calls, test.wantHelm) {
				t.Errorf("helm was run with\n%s\nwant\n%s", strings.Join(calls, "\n"), strings.Join(test.wantHelm, "\n"))
			}
			if !slices.Equal(test.cluster.changes, test.wantChanges) {
				t.Errorf("changes: %q, want %q", test.cluster.changes, test.wantChanges)
			}
		})
	}
}

// TestHashCoversReferences: a version's new image tags upgrade the release.
func TestHashCoversReferences(t *testing.T) {
	hash := func(ref string) string {
		h, err := Options{Folder: t.TempDir(), References: map[string]string{"operator": ref}}.hash()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	if hash("devserver.io/operator:1") == hash("devserver.io/operator:2") {
		t.Error("the hash is the same for different images")
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// quiet is a stream that nobody reads.
func quiet(t *testing.T) *os.File {
	t.Helper()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}
