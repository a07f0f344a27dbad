package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
)

// exampleUser is the one example that TestExamples leaves to TestExampleUser.
const exampleUser = "user.yaml"

// TestExamples applies every other file of examples/ unchanged. It does not run in
// parallel with other tests, because one of the flavors is the cluster's default.
func TestExamples(t *testing.T) {
	s := newSite(t)
	files, err := filepath.Glob(filepath.Join(cluster.Root(), "examples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	// Flavors that already exist belong to the cluster's users and are kept.
	for _, name := range []string{"cpu-small", "cpu-root", "gpu-large"} {
		flavor := &v1.DevServerFlavor{}
		flavor.Name = name
		if err := s.c.Get(s.Context(), client.ObjectKeyFromObject(flavor), flavor); apierrors.IsNotFound(err) {
			s.Cleanup(func() { remove(s.T, s.c, flavor) })
		}
	}
	for _, file := range files {
		if filepath.Base(file) != exampleUser {
			s.applyFile(file)
		}
	}

	minimal := &v1.DevServer{ObjectMeta: s.named("minimal")}
	edit(s, minimal, func(d *v1.DevServer) { d.Spec.SSH.PublicKeys = []string{s.key.Public} })
	s.running(minimal).want("whoami", "dev")
	// The node has no such GPU. Nothing else must be wrong with the example.
	s.notReady(&v1.DevServer{ObjectMeta: s.named("my-dev-server")}, v1.PhasePending, v1.ReasonUnschedulable, "0/1 nodes are available")
	service := await(s, &corev1.Service{ObjectMeta: s.named("team-server-ssh")}, "existed", func(*corev1.Service) bool { return true })
	if service.Spec.Type != corev1.ServiceTypeClusterIP {
		s.Errorf("team-server's Service: %+v", service.Spec)
	}
}

// TestExampleUser: the user of the examples becomes Ready. In a new cluster that
// takes half a minute, until Kubernetes counts objects of the new kinds.
func TestExampleUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	alice, home := &v1.DevServerUser{}, &corev1.Namespace{}
	alice.Name, home.Name = "alice", "dev-alice"
	// A user that already exists belongs to the cluster and is kept.
	if err := s.c.Get(s.Context(), client.ObjectKeyFromObject(alice), alice); apierrors.IsNotFound(err) {
		s.Cleanup(func() {
			remove(s.T, s.c, alice)
			remove(s.T, s.c, home)
		})
	}
	s.applyFile(filepath.Join(cluster.Root(), "examples", exampleUser))
	await(s, alice, "Ready", userReady)
}

// applyFile runs "kubectl apply -f".
func (s *site) applyFile(file string) {
	s.Helper()
	yaml, err := os.ReadFile(file)
	if err != nil {
		s.Fatal(err)
	}
	out := s.kubectl(string(yaml), "apply", "-f", "-")
	if !strings.Contains(out, "created") && !strings.Contains(out, "unchanged") && !strings.Contains(out, "configured") {
		s.Errorf("kubectl apply -f %s: %s", file, out)
	}
}

// TestGPU: a server gets its flavor's extended resource. The test sets the node's
// capacity, because the cluster has no device plugin.
func TestGPU(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const gpu = "example.com/gpu"
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: s.node()}}
	s.get(node)
	capacity := []byte(`{"status":{"capacity":{"` + gpu + `":"2"}}}`)
	if err := s.c.Status().Patch(s.Context(), node, client.RawPatch(types.MergePatchType, capacity)); err != nil {
		s.Fatal(err)
	}
	flavor := s.newFlavor(s.flavor+"-gpu", func(f *v1.DevServerFlavorSpec) {
		f.Resources.Limits = quantities("memory", "512Mi", gpu, "2")
		f.NodeSelector = map[string]string{corev1.LabelHostname: node.Labels[corev1.LabelHostname]}
	})
	ds := s.devServer("server")
	ds.Spec.Flavor = flavor.Name
	b := s.start(ds)
	pod := b.readPod()
	if n := pod.Spec.Containers[0].Resources.Limits[gpu]; n.Value() != 2 {
		s.Errorf("the server has %d GPUs, want 2", n.Value())
	}
	// Both are in use: a second server waits, and shows the scheduler's message.
	second := s.devServer("second")
	second.Spec.Flavor = flavor.Name
	s.create(second)
	s.notReady(second, v1.PhasePending, v1.ReasonUnschedulable, "Insufficient "+gpu)
	// It starts when the first one is deleted.
	s.delete(b.ds)
	s.running(second)
}
