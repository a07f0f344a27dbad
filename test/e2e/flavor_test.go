package e2e

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// fakeGPU is an extended resource that no other test requests.
const fakeGPU = "example.com/gpu"

// TestFlavorStatus: a flavor's status reflects the node's capacity, the requests of
// servers and other pods, and a cordon. It does not run in parallel with other
// tests, because a cordon affects the whole node.
func TestFlavorStatus(t *testing.T) {
	s := newSite(t)
	s.gpus("2")
	t.Cleanup(func() { s.gpus("0") })
	oneGPU := func(count string) func(*v1.DevServerFlavorSpec) {
		return func(f *v1.DevServerFlavorSpec) { f.Resources.Limits[fakeGPU] = quantities(fakeGPU, count)[fakeGPU] }
	}
	one := s.newFlavor(s.flavor+"-one", oneGPU("1"))
	three := s.newFlavor(s.flavor+"-three", oneGPU("3"))
	s.wantFlavorStatus(one, v1.SchedulableYes, 2, 0, "2 more fit")
	s.wantFlavorStatus(three, v1.SchedulableNo, 0, 0, fakeGPU)
	s.table(one.Name, "20m 64Mi Yes 2 0 False")

	ds := s.devServer("server")
	ds.Spec.Flavor = one.Name
	s.start(ds)
	s.wantFlavorStatus(one, v1.SchedulableYes, 1, 1, "1 more fits")

	// A pod that does not belong to a server counts as well, once it has a node.
	other := s.stuckPod("other")
	s.wantFlavorStatus(one, v1.SchedulableNo, 0, 1, fakeGPU)
	s.delete(other)
	s.wantFlavorStatus(one, v1.SchedulableYes, 1, 1, "1 more fits")

	node := s.node()
	t.Cleanup(func() { s.kubectlAfter("uncordon", node) })
	s.kubectl("", "cordon", node)
	s.wantFlavorStatus(one, v1.SchedulableNo, 0, 1, "cordoned")
	s.kubectl("", "uncordon", node)
	s.wantFlavorStatus(one, v1.SchedulableYes, 1, 1, "1 more fits")

	s.delete(ds)
	s.wantFlavorStatus(one, v1.SchedulableYes, 2, 0, "2 more fit")
}

// wantFlavorStatus waits for the given status of a flavor.
func (s *site) wantFlavorStatus(f *v1.DevServerFlavor, schedulable v1.FlavorSchedulable, fits, inUse int32, message string) {
	s.Helper()
	f = await(s, f, string(schedulable)+": "+message, func(f *v1.DevServerFlavor) bool {
		c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionSchedulable)
		return c != nil && f.Status.Schedulable == schedulable && strings.Contains(c.Message, message) &&
			*f.Status.Fits == fits && *f.Status.InUse == inUse
	})
	s.Logf("%s: %s", f.Name, meta.FindStatusCondition(f.Status.Conditions, v1.ConditionSchedulable).Message)
}

// table checks the columns of "kubectl get devflavor" between name and age.
func (s *site) table(flavor, columns string) {
	s.Helper()
	fields := strings.Fields(s.kubectl("", "get", "devflavor", flavor, "--no-headers"))
	if got := strings.Join(fields[1:len(fields)-1], " "); got != columns {
		s.Errorf("kubectl get devflavor prints %q, want %q between name and age", got, columns)
	}
}

// stuckPod creates a pod that requests a GPU but never runs, because its image does
// not exist.
func (s *site) stuckPod(name string) *corev1.Pod {
	s.Helper()
	pod := &corev1.Pod{ObjectMeta: s.named(name)}
	pod.Spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(1000)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	pod.Spec.Containers = []corev1.Container{{
		Name: "main", Image: "localhost:1/no-such-image:1.0",
		Resources: corev1.ResourceRequirements{Limits: quantities(fakeGPU, "1")},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: new(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}}
	s.create(pod)
	return pod
}

// gpus sets the number of GPUs that the local node reports. It works in a cleanup.
func (s *site) gpus(count string) {
	s.Helper()
	s.after("local", "gpu", "--cluster", s.node(), "--resource", fakeGPU, "--count", count)
}

func (s *site) kubectlAfter(words ...string) {
	s.Helper()
	s.after("kubectl", append([]string{"--kubeconfig", s.c.Kubeconfig}, words...)...)
}

// after runs one of the checkout's programs. It works in a cleanup, when the test's
// context has ended.
func (s *site) after(program string, args ...string) {
	s.Helper()
	path, err := cluster.Binary(program)
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if r, err := openssh.Do(openssh.Tool(ctx, path, args...)); err != nil || r.Code != 0 {
		s.Errorf("%s %s: %v, %s", program, strings.Join(args, " "), err, r.Stderr)
	}
}
