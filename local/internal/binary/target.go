// Package binary builds the programs of a local cluster from source and keeps them
// in a cache outside the checkout. A program is rebuilt only if its sources, its
// dependencies' versions or the compiler change.
package binary

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Target is one program to build.
type Target struct {
	Name    string
	Package string
	// Parts are the names that the program is called by, if not by its own.
	Parts []string
	// Sources are folders of this module that the program is built from.
	Sources []string
	// C is true if the program requires a C compiler. The others are built without one,
	// so they share compiled packages with the programs in the images.
	C bool
}

// Targets are all programs, in the order in which a new cluster uses them.
var Targets = []Target{
	{
		Name: "node", Package: "./cmd/node", Sources: []string{"cmd/node", "internal/provisioner", "internal/disk", "internal/loop"},
		Parts: []string{
			"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
			"coredns", "containerd", "ctr", "local-provisioner",
		},
	},
	{Name: "containerd-shim-runc-v2", Package: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
	{Name: "runc", Package: "github.com/opencontainers/runc", C: true},
	{Name: "kubectl", Package: "k8s.io/kubernetes/cmd/kubectl"},
	{Name: "helm", Package: "helm.sh/helm/v4/cmd/helm"},
	{Name: "pause", Package: "./cmd/pause", Sources: []string{"cmd/pause"}},
}

// names are the target's names in the folder of programs.
func (t Target) names() []string {
	if len(t.Parts) > 0 {
		return t.Parts
	}
	return []string{t.Name}
}

func (t Target) cgo() string {
	if t.C {
		return "CGO_ENABLED=1"
	}
	return "CGO_ENABLED=0"
}

// Select returns the targets that provide the named programs; no names mean all.
func Select(names []string) ([]Target, error) {
	if len(names) == 0 {
		return Targets, nil
	}
	var selected []Target
	for _, name := range names {
		i := slices.IndexFunc(Targets, func(t Target) bool { return slices.Contains(t.names(), name) })
		if i < 0 {
			return nil, fmt.Errorf("unknown program %q: choose from %s", name, strings.Join(All(), ", "))
		}
		if !slices.ContainsFunc(selected, func(t Target) bool { return t.Name == Targets[i].Name }) {
			selected = append(selected, Targets[i])
		}
	}
	return selected, nil
}

// All lists every program.
func All() []string {
	var names []string
	for _, t := range Targets {
		names = append(names, t.names()...)
	}
	return names
}

// key changes if the program's content can change.
func (t Target) key(module, compiler string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, compiler, runtime.GOOS, runtime.GOARCH, t.Package, t.cgo(), flags)
	files := []string{"go.mod", "go.sum"}
	for _, dir := range t.Sources {
		err := filepath.WalkDir(filepath.Join(module, dir), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || strings.HasSuffix(path, "_test.go") {
				return err
			}
			relative, err := filepath.Rel(module, path)
			files = append(files, relative)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("list the sources of %s: %w", t.Name, err)
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(module, file))
		if err != nil {
			return "", fmt.Errorf("read the sources of %s: %w", t.Name, err)
		}
		fmt.Fprintf(h, "%s %d\n%s", file, len(data), data)
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}
