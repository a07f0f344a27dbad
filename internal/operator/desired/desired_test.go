package desired_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/sshkeys"
)

var update = flag.Bool("update", false, "write the golden files anew")

// input is the smallest one: a CPU flavor without limits.
func input(edits ...func(*desired.Input)) desired.Input {
	in := desired.Input{
		DevServer: &devv1.DevServer{
			ObjectMeta: metav1.ObjectMeta{Name: "trainer", Namespace: "team", UID: "0d1e"},
			Spec: devv1.DevServerSpec{
				Owner:              "user@example.com",
				SSH:                devv1.SSHSpec{Service: devv1.SSHServiceSpec{Type: devv1.SSHServiceNodePort}},
				PersistentHomeSize: resource.MustParse("10Gi"),
			},
		},
		Flavor: &devv1.DevServerFlavor{
			ObjectMeta: metav1.ObjectMeta{Name: "cpu-small"},
			Spec: devv1.DevServerFlavorSpec{Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("1Gi")},
			}},
		},
		Image:          "example.com/image:1",
		UID:            1000,
		HomeRequest:    resource.MustParse("10Gi"),
		AuthorizedKeys: []string{"ssh-ed25519 AAAA one"},
		Keys:           sshkeys.Keys{HostKeyPEM: []byte("host"), ControlKeyPEM: []byte("control"), ControlToken: "token"},
		AgentImage:     "example.com/agent:1",
	}
	for _, edit := range edits {
		edit(&in)
	}
	volumes, err := desired.MergeVolumes(in.DevServer, in.Flavor)
	if err != nil {
		panic(err)
	}
	in.Volumes = volumes
	return in
}

func objects(t *testing.T, in desired.Input) []runtime.ApplyConfiguration {
	t.Helper()
	list, err := desired.Objects(in)
	if err != nil {
		t.Fatal(err)
	}
	return append([]runtime.ApplyConfiguration{desired.Secret(in)}, list...)
}

func gpu(in *desired.Input) {
	in.Flavor.Name = "gpu-large"
	in.Flavor.Spec.Resources.Limits = corev1.ResourceList{
		corev1.ResourceMemory: resource.MustParse("32Gi"), "nvidia.com/gpu": resource.MustParse("1"),
	}
	in.Flavor.Spec.NodeSelector = map[string]string{"gpu": "h100", corev1.LabelOSStable: "windows"}
	seconds := int64(30)
	in.Flavor.Spec.Tolerations = []corev1.Toleration{
		{Key: "nvidia.com/gpu", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule},
		{Key: "spot", Operator: corev1.TolerationOpEqual, Value: "yes", Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds},
	}
	in.Flavor.Spec.Env = []devv1.EnvVar{{Name: "HF_HOME", Value: "/shared/hf"}, {Name: "TIER", Value: "flavor"}}
}

func all(in *desired.Input) {
	class := "fast"
	d := in.DevServer
	d.Spec.SharedVolumeClaimName = "efs-shared-claim"
	d.Spec.Home = &devv1.HomeSpec{StorageClassName: &class}
	d.Spec.ImagePullPolicy = corev1.PullAlways
	d.Spec.ImagePullSecrets = []devv1.LocalObjectReference{{Name: "registry"}}
	d.Spec.Env = []devv1.EnvVar{{Name: "TIER", Value: "own"}, {Name: "LITERAL", Value: "$(HOME) $$ $x"}, {Name: "EMPTY"}}
	d.Spec.SSH.Service = devv1.SSHServiceSpec{Type: devv1.SSHServiceLoadBalancer, Annotations: map[string]devv1.AnnotationValue{"example.com/internal": "true"}}
	in.AuthorizedKeys = append(in.AuthorizedKeys, "ssh-ed25519 BBBB two")
	in.AgentImagePullPolicy = corev1.PullNever
	d.Spec.Volumes = []devv1.VolumeMount{{ClaimName: "data", MountPath: "/data/", ReadOnly: true}}
	at := metav1.NewTime(time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC))
	d.Spec.RestartedAt = &at
}

// site is a flavor that uses all that an admin can set.
func site(in *desired.Input) {
	f := &in.Flavor.Spec
	f.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}}}},
	}}}
	f.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway}}
	f.PriorityClassName, f.RuntimeClassName, f.SchedulerName = "low", "nvidia", "second"
	f.ImagePullPolicy = corev1.PullIfNotPresent
	f.ImagePullSecrets = []devv1.LocalObjectReference{{Name: "registry"}, {Name: "site"}}
	f.Volumes = []devv1.VolumeMount{{ClaimName: "datasets", MountPath: "/data"}, {ClaimName: "models", MountPath: "/models", ReadOnly: true}}
	size := resource.MustParse("64Gi")
	f.SharedMemorySize = &size
}

func root(in *desired.Input) { in.Flavor.Spec.Root = devv1.RootUserNamespace }

func ownUID(in *desired.Input) { in.UID = 20017 }

func claimHome(in *desired.Input) {
	in.DevServer.Spec.Home = &devv1.HomeSpec{ClaimName: "old-home"}
}

func ephemeralHome(in *desired.Input) {
	in.DevServer.Spec.Home = &devv1.HomeSpec{Ephemeral: true}
}

func copiedHome(in *desired.Input) {
	in.DevServer.Spec.Home = &devv1.HomeSpec{DataSource: &devv1.HomeDataSource{Kind: "VolumeSnapshot", Name: "friday"}}
}

func TestObjects(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		in     desired.Input
	}{
		"minimal":    {"the defaults: a NodePort, no limits, so no bound on /dev/shm", input()},
		"gpu":        {"devices stay with the trainer; /dev/shm is half of the memory; linux wins over the flavor's selector", input(gpu)},
		"all":        {"every field of a DevServer shows; its env wins over the flavor's and is literal", input(gpu, all)},
		"nodeport":   {"a Service that is made again asks for the port that it had", input(func(in *desired.Input) { in.NodePort = 31022 })},
		"guarded":    {"where the admin wants it, the gateway alone reaches SSH, and the operator the control endpoint", input(func(in *desired.Input) { in.GatewayNamespace = "devserver-system" })},
		"site":       {"where and how a flavor's pods run; of two volumes at one path the DevServer's is mounted", input(gpu, site, all)},
		"flavored":   {"without a DevServer's own say, the flavor's counts", input(site)},
		"uid":        {"an owner with a uid of their own has it in the pod and on the home's claim", input(ownUID)},
		"suspended":  {"a suspended server has everything but a pod, and its own grace period", input(func(in *desired.Input) { in.Suspended, in.GraceSeconds = true, 120 })},
		"claim":      {"an existing claim is a volume, and there is no template", input(claimHome)},
		"ephemeral":  {"an ephemeral home is bounded by its size", input(ephemeralHome)},
		"copied":     {"a home made from a snapshot", input(copiedHome)},
		"root":       {"root is that of a user namespace, and of the trainer's container alone; its passwd and group are not mounted over", input(root, ownUID)},
		"guaranteed": {"a pod with limits as requests stays Guaranteed beside the SSH server", input(guaranteed)},
		"overlay":    {"the flavor's podTemplate is merged", input(gpu, overlay)},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, tc.reason, tc.in) })
	}
}

func golden(t *testing.T, name, reason string, in desired.Input) {
	t.Helper()
	var got bytes.Buffer
	for _, object := range objects(t, in) {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		got.WriteString("---\n")
		got.Write(text)
	}
	path := filepath.Join("testdata", name+".yaml")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s: -want +got (rewrite with go test ./internal/operator/desired -update):\n%s", reason, diff)
	}
}

// guaranteed has the limits that make a pod Guaranteed.
func guaranteed(in *desired.Input) {
	list := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi")}
	in.Flavor.Spec.Resources = corev1.ResourceRequirements{Limits: list}
}

func TestNoServiceOfTypeNone(t *testing.T) {
	in := input(func(in *desired.Input) { in.DevServer.Spec.SSH.Service.Type = devv1.SSHServiceNone })
	for _, object := range objects(t, in) {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "kind: Service\n") && strings.Contains(string(text), "name: trainer-ssh\n") {
			t.Errorf("a Service of type None is rendered:\n%s", text)
		}
	}
}

func TestSecretHash(t *testing.T) {
	base := desired.SecretHash(input())
	if again := desired.SecretHash(input()); again != base {
		t.Errorf("the same Secret has the hashes %s and %s", base, again)
	}
	for name, edit := range map[string]func(*desired.Input){
		"another key that may log in":        func(in *desired.Input) { in.AuthorizedKeys = []string{"ssh-ed25519 CCCC"} },
		"another host key":                   func(in *desired.Input) { in.Keys.HostKeyPEM = []byte("other") },
		"a DevServer of the same name, anew": func(in *desired.Input) { in.DevServer.UID = "0d1f" },
	} {
		if desired.SecretHash(input(edit)) == base {
			t.Errorf("%s does not change the hash", name)
		}
	}
}
