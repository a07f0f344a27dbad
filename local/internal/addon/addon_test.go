package addon

import (
	"bytes"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"devserver.io/devserver/local/internal/network"
)

func TestManifestsContainAddresses(t *testing.T) {
	plan := network.NewPlan(7)
	manifests := Manifests(plan)
	for _, address := range []string{plan.DNS().String(), plan.Node.String()} {
		if !bytes.Contains(manifests, []byte(address)) {
			t.Errorf("%s is missing", address)
		}
	}
	if bytes.Contains(manifests, []byte("$")) {
		t.Error("a placeholder is left")
	}
	var names []string
	for document := range bytes.SplitSeq(manifests, []byte("\n---\n")) {
		var object struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		if err := yaml.Unmarshal(document, &object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if object.APIVersion == "" || object.Kind == "" || object.Metadata.Name == "" {
			t.Errorf("incomplete object:\n%s", document)
		}
		names = append(names, object.Kind+" "+object.Metadata.Name)
	}
	if got := strings.Join(names, ", "); !strings.Contains(got, "StorageClass local") || !strings.Contains(got, "StorageClass sized") || !strings.Contains(got, "Service kube-dns") {
		t.Errorf("the objects are %s", got)
	}
}
