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

// fakeGPU is an extended resource that no other test asks for.
const fakeGPU = "example.com/gpu"

// TestFlavorStatus: a flavor's status follows what the node has, what servers
// and other pods take, and a cordon. It runs while no other test does, since a
// cordon is about the whole node.
func TestFlavorStatus(t *testing.T) {
	s := newSite(t)
	s.gpus("2")
	t.Cleanup(func() { s.gpus("0") })
	oneGPU := func(count string) func(*v1.DevServerFlavorSpec) {
		return func(f *v1.DevServerFlavorSpec) { f.Resources.Limits[fakeGPU] = quantities(fakeGPU, count)[fakeGPU] }
	}
	one := s.newFlavor(s.flavor+"-one", oneGPU("1"))
	three := s.newFlavor(s.flavor+"-three", oneGPU("3"))
	s.flavorSays(one, v1.SchedulableYes, 2, 0, "2 more fit on 1 of 1 node")
	s.flavorSays(three, v1.SchedulableNo, 0, 0, "too little "+fakeGPU)
	s.table(one.Name, "20m 64Mi Yes 2 0 False")

	ds := s.devServer("server")
	ds.Spec.Flavor = one.Name
	s.start(ds)
	s.flavorSays(one, v1.SchedulableYes, 1, 1, "1 more fits on 1 of 1 node")

	// A pod that is nobody's server counts as well, from when it has a node.
	other := s.stuckPod("other")
	s.flavorSays(one, v1.SchedulableNo, 0, 1, fakeGPU+" is short on 1")
	s.delete(other)
	s.flavorSays(one, v1.SchedulableYes, 1, 1, "1 more fits")

	node := s.node()
	t.Cleanup(func() { s.kubectlAfter("uncordon", node) })
	s.kubectl("", "cordon", node)
	s.flavorSays(one, v1.SchedulableNo, 0, 1, "1 is cordoned")
	s.kubectl("", "uncordon", node)
	s.flavorSays(one, v1.SchedulableYes, 1, 1, "1 more fits")

	s.delete(ds)
	s.flavorSays(one, v1.SchedulableYes, 2, 0, "2 more fit")
}

// flavorSays waits until the status of a flavor is as wanted.
func (s *site) flavorSays(f *v1.DevServerFlavor, schedulable v1.FlavorSchedulable, fits, inUse int32, message string) {
	s.Helper()
	f = await(s, f, string(schedulable)+": "+message, func(f *v1.DevServerFlavor) bool {
		c := meta.FindStatusCondition(f.Status.Conditions, v1.ConditionSchedulable)
		return c != nil && f.Status.Schedulable == schedulable && strings.Contains(c.Message, message) &&
			*f.Status.Fits == fits && *f.Status.InUse == inUse
	})
	s.Logf("%s: %s", f.Name, meta.FindStatusCondition(f.Status.Conditions, v1.ConditionSchedulable).Message)
}

// table checks the columns of "kubectl get devflavor", but name and age.
func (s *site) table(flavor, columns string) {
	s.Helper()
	fields := strings.Fields(s.kubectl("", "get", "devflavor", flavor, "--no-headers"))
	if got := strings.Join(fields[1:len(fields)-1], " "); got != columns {
		s.Errorf("kubectl get devflavor prints %q, want %q between name and age", got, columns)
	}
}

// stuckPod takes a GPU without ever running: its image does not exist.
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

// gpus lets the local node claim to have them, also when the test is over.
func (s *site) gpus(count string) {
	s.Helper()
	s.after("local", "gpu", "--cluster", s.node(), "--resource", fakeGPU, "--count", count)
}

func (s *site) kubectlAfter(words ...string) {
	s.Helper()
	s.after("kubectl", append([]string{"--kubeconfig", s.c.Kubeconfig}, words...)...)
}

// after runs one of the checkout's programs, also when the test's own context
// is over.
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
