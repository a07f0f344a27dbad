package e2e

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// TestScriptableInterfaces: the make targets that scripts use print only the expected
// output.
func TestScriptableInterfaces(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	printed := s.make("kubeconfig")
	if path := strings.TrimSuffix(printed, "\n"); !filepath.IsAbs(path) || strings.ContainsAny(path, "\n ") {
		s.Errorf("make kubeconfig prints %q, want one path", printed)
	} else if _, err := os.Stat(path); err != nil {
		s.Errorf("make kubeconfig: %v", err)
	}
	var names []string
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(s.make("crds")), 4096)
	for {
		var crd struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := documents.Decode(&crd); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			s.Fatalf("make crds does not print YAML: %v", err)
		}
		if crd.Kind != "CustomResourceDefinition" {
			s.Errorf("make crds prints a %q", crd.Kind)
		}
		names = append(names, crd.Metadata.Name)
	}
	for _, want := range []string{"devservers.devserver.io", "devserverflavors.devserver.io"} {
		if !slices.Contains(names, want) {
			s.Errorf("make crds prints %v, without %s", names, want)
		}
	}
	for _, name := range []string{"devctl", "operator", "agent", "gateway", "kubectl"} {
		if _, err := cluster.Binary(name); err != nil {
			s.Error(err)
		}
	}
}

// make runs make for the cluster of the tests.
func (s *site) make(target string) string {
	s.Helper()
	cmd := openssh.Tool(s.bounded(), "make", target)
	cmd.Dir = cluster.Root()
	// It must not inherit the settings of a make that runs these tests.
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool {
		return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS=") || strings.HasPrefix(v, "CLUSTER=")
	})
	cmd.Env = append(cmd.Env, "CLUSTER="+s.node())
	r := s.do(cmd)
	if r.Code != 0 {
		s.Fatalf("make %s: exit code %d: %s", target, r.Code, r.Stderr)
	}
	return r.Stdout
}
