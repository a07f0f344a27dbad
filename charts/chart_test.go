// Package charts_test tests the chart with helm and a real API server.
package charts_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"devserver.io/devserver/config/crd"
	"devserver.io/devserver/internal/testing/apiserver"
)

var update = flag.Bool("update", false, "rewrite the golden file")

var generated = regexp.MustCompile(`# Source: devserver-operator/templates/(cluster)?role\.yaml`)

// withRegistry is the one value without a default.
const withRegistry = "--set=images.registry=registry.example.com/devserver"

const golden = "testdata/default.yaml"

func TestMain(m *testing.M) { os.Exit(apiserver.Run(m)) }

// TestDefault compares everything that an installation with default values creates, but for
// the registry, except what is generated from the Go code.
func TestDefault(t *testing.T) {
	var text strings.Builder
	for _, document := range strings.SplitAfter(render(t, "--set=crds.install=false"), "\n---\n") {
		if !generated.MatchString(document) {
			text.WriteString(document)
		}
	}
	got := text.String()
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run go test ./charts -update if this is intended (-want +got):\n%s", diff)
	}
}

// TestAccepted creates all objects in an API server, with every option that does not
// require another operator.
func TestAccepted(t *testing.T) {
	c := client.NewDryRunClient(apiserver.Client(t))
	ns := apiserver.Namespace(t)
	objects := parse(t, render(t,
		"--namespace="+ns, "--set=crds.install=false", "--set=podDisruptionBudget.enabled=true", "--set=metrics.service=true",
		"--set=replicas=2", "--set=priorityClassName=system-cluster-critical", "--set=podLabels.team=infra",
		"--set=rbac.bindableClusterRoles={view}", "--set=policies.ownerIsRequester.enabled=true",
		"--set=policies.flavors[0].flavors={gpu}", "--set=policies.flavors[0].groups={ml}",
		"--set=gateway.replicas=2", "--set=gateway.service.type=LoadBalancer", "--set=gateway.service.nodePort=30222",
		"--set=gateway.service.loadBalancerSourceRanges={192.0.2.0/24}", "--set=gateway.service.externalTrafficPolicy=Local",
		"--set=gateway.userCA={"+publicKey+"}", "--set=gateway.wakeTimeout=2m", "--set=networkPolicy.servers.enabled=true"))
	for _, object := range objects {
		if err := c.Create(t.Context(), object); err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
	if len(objects) == 0 {
		t.Error("the chart renders nothing")
	}
}

// TestDefinitions compares what the chart installs with the definitions that
// every other test runs against: a description with braces, for example, must
// not be read as a template.
func TestDefinitions(t *testing.T) {
	want, err := crd.All()
	if err != nil {
		t.Fatal(err)
	}
	var got []*apiextensionsv1.CustomResourceDefinition
	for _, object := range parse(t, render(t)) {
		if object.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if policy := object.GetAnnotations()["helm.sh/resource-policy"]; policy != "keep" {
			t.Errorf("%s: resource policy %q, want keep: uninstalling must not delete every DevServer", object.GetName(), policy)
		}
		object.SetAnnotations(nil)
		raw, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		definition := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(raw, definition); err != nil {
			t.Fatal(err)
		}
		got = append(got, definition)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-config/crd +chart):\n%s", diff)
	}
}

func TestImages(t *testing.T) {
	const registry = "registry.example.com/devserver/"
	digests := filepath.Join(t.TempDir(), "digests.yaml")
	// The file that make images writes.
	if err := os.WriteFile(digests, []byte("images:\n  registry: \"example.com/dev\"\n  agent: \"example.com/dev/agent@sha256:0\"\n  gateway: \"example.com/dev/gateway@sha256:1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		flags []string
		want  []string
	}{
		"registry": {[]string{withRegistry}, []string{registry + "operator:0.1.0", registry + "agent:0.1.0", registry + "server:0.1.0", registry + "gateway:0.1.0"}},
		"slash":    {[]string{withRegistry + "/"}, []string{registry + "operator:0.1.0", registry + "agent:0.1.0", registry + "server:0.1.0", registry + "gateway:0.1.0"}},
		"tag":      {[]string{withRegistry, "--set=images.tag=v2"}, []string{registry + "operator:v2", registry + "agent:v2", registry + "server:v2", registry + "gateway:v2"}},
		"one":      {[]string{withRegistry, "--set=images.agent=example.com/a@sha256:0"}, []string{registry + "operator:0.1.0", "example.com/a@sha256:0", registry + "server:0.1.0", registry + "gateway:0.1.0"}},
		"digests":  {[]string{"--values=" + digests}, []string{"example.com/dev/operator:0.1.0", "example.com/dev/agent@sha256:0", "example.com/dev/server:0.1.0", "example.com/dev/gateway@sha256:1"}},
		// As make up does.
		"each": {[]string{"--set=images.operator=a:1,images.agent=b:1,images.server=c:1,images.gateway=d:1"}, []string{"a:1", "b:1", "c:1", "d:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := helm(t, append([]string{"template", "devserver", "devserver-operator"}, test.flags...)...)
			if err != nil {
				t.Fatal(text)
			}
			for i, prefix := range []string{"name: operator\n +image: ", "- --agent-image=", "- --default-image=", "name: gateway\n +image: "} {
				line := regexp.MustCompile(`(?m)`+prefix+`"?(.*?)"?$`).FindAllStringSubmatch(text, -1)
				if len(line) != 1 || line[0][1] != test.want[i] {
					t.Errorf("%s%v, want %s", prefix, line, test.want[i])
				}
			}
		})
	}
}

// TestRegistryIsRequired: no default pulls images from a domain that may belong to anyone.
// Each image that has no reference of its own requires the registry.
func TestRegistryIsRequired(t *testing.T) {
	const each = "images.operator=a:1,images.agent=b:1,images.server=c:1,images.gateway=d:1"
	for _, set := range []string{
		"replicas=1", "images.registry=", "images.tag=v2",
		strings.ReplaceAll(each, "operator=a:1", "operator="), strings.ReplaceAll(each, "agent=b:1", "agent="),
		strings.ReplaceAll(each, "server=c:1", "server="), strings.ReplaceAll(each, "gateway=d:1", "gateway="),
	} {
		out, err := helm(t, "template", "devserver", "devserver-operator", "--set="+set)
		if err == nil || !strings.Contains(out, "images.registry is required, because no public registry has the images: push them with make images") {
			t.Errorf("--set %s: %s", set, out)
		}
	}
	if out, err := helm(t, "template", "devserver", "devserver-operator", "--set=gateway.enabled=false", "--set="+strings.ReplaceAll(each, "gateway=d:1", "gateway=")); err != nil {
		t.Errorf("without a gateway: %s", out)
	}
}

func TestBadValuesRefused(t *testing.T) {
	for _, set := range []string{
		"replica=2", "replicas=3", "replicas=two", "logLevel=loud", "images.pullPolicy=Sometimes", "images=null", "images.registry=null", "images.registry=a b", "crds.instal=false",
		"imagePullSecrets[0]=name", "nodeSelector.gpu=true", "sshHost=a b",
		"rbac.bindableClusterRoles={*}", "policies.ownerIsRequester.exemptGroups=admins", "policies.flavors[0].flavors={a}",
		"policies.flavors[0].groups={a}", "policies.sshService=null", "policies.sshService.types={}", "policies.sshService.types={Ingress}",
		"policies.sshService.types=null", "policies.sshService.annotations={a b}", "policies.sshService.annotations={*}", "policies.flavors[0].flavors={A},policies.flavors[0].groups={a}",
		"gateway.enable=true", "gateway.replicas=-1", "gateway.service.type=None", "gateway.service.port=0", "gateway.service.nodePort=70000",
		"gateway.service.loadBalancerSourceRanges={everywhere}", "gateway.host=a b", "gateway.port=70000", "gateway.hostKeySecret=A", "gateway.userCA=key",
		"gateway.userCA={key}", "gateway.wakeTimeout=1h30m", "gateway.drainTimeout=", "gateway.drainTimeout=10", "networkPolicy.servers=true",
		"networkPolicy.gateway.apiServerPorts={https}", "go.gcPercent=0", "go.memoryLimit=1G", "gateway.go.gcPercent=off", "pprof=true",
		"images.box=example.com/server:1", "networkPolicy.boxes.enabled=true", // wordlint:allow keys of an earlier version
	} {
		out, err := helm(t, "template", "devserver", "devserver-operator", "--set="+set)
		if err == nil {
			t.Errorf("--set %s is accepted", set)
		} else if !strings.Contains(out, "values don't meet the specifications of the schema") {
			t.Errorf("--set %s: %s", set, out)
		}
	}
}

// TestGoRuntime: the limits of Go's runtime are chart values. Profiling is off by
// default, and listens only on the loopback interface.
func TestGoRuntime(t *testing.T) {
	const pprof = "--pprof-bind-address=localhost:6060"
	for set, want := range map[string]map[string]int{
		"replicas=1":              {"name: GOMEMLIMIT\n              value: \"900MiB\"": 1, "name: GOMEMLIMIT\n              value: \"1800MiB\"": 1, "name: GOGC\n              value: \"100\"": 1, "name: GOGC\n              value: \"50\"": 1, "pprof": 0},
		"go.memoryLimit=":         {"name: GOMEMLIMIT": 1},
		"gateway.go.memoryLimit=": {"name: GOMEMLIMIT": 1},
		"go.gcPercent=200":        {"name: GOGC\n              value: \"200\"": 1},
		"pprof.enabled=true":      {pprof: 1},
	} {
		text := render(t, "--set="+set)
		for part, times := range want {
			if got := strings.Count(text, part); got != times {
				t.Errorf("--set %s: %q occurs %d times, want %d", set, part, got, times)
			}
		}
	}
}

// TestVersion: the chart uses the images that this checkout builds.
func TestVersion(t *testing.T) {
	version, err := os.ReadFile("../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("devserver-operator/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var chart struct{ Version, AppVersion string }
	if err := yaml.Unmarshal(raw, &chart); err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSpace(string(version)); chart.Version != want || chart.AppVersion != want {
		t.Errorf("Chart.yaml has version %s and appVersion %s; the file VERSION says %s", chart.Version, chart.AppVersion, want)
	}
}

func render(t *testing.T, flags ...string) string {
	t.Helper()
	args := append([]string{"template", "devserver", "devserver-operator", "--namespace=devserver-system", withRegistry}, flags...)
	out, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// helm runs the helm binary in the folder of the API server's binaries.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	binary := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "helm")
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("%v: run the tests with make test, or set KUBEBUILDER_ASSETS to a folder with helm", err)
	}
	cmd := exec.CommandContext(t.Context(), binary, args...)
	// Ignore the user's own configuration of helm.
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+t.TempDir(), "HELM_CACHE_HOME="+t.TempDir(), "HELM_DATA_HOME="+t.TempDir())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func parse(t *testing.T, text string) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			t.Fatalf("%v in:\n%s", err, document)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
	return objects
}
