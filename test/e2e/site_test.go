// Package e2e tests DevServer on a real cluster with the stock OpenSSH client.
// Each test creates a namespace that admits only pods of the restricted Pod
// Security Standard, and uses servers in it as their owners would.
package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// bound limits every wait. It is long because the machine may be busy, and says
// nothing about how fast DevServer is.
const bound = 3 * time.Minute

// owner is the spec.owner of the tests' servers.
const owner = "user@example.com"

// site is the namespace, flavor and key of one test.
type site struct {
	*testing.T
	c      *cluster.Cluster
	ns     string
	flavor string      // a small flavor, made for this site
	key    openssh.Key // the owner's
}

// newSite creates a namespace, a flavor of the same name, and a key.
func newSite(t *testing.T) *site {
	t.Helper()
	c, err := cluster.Connect()
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{}
	ns.GenerateName = "e2e-" + strings.ToLower(strings.NewReplacer("Test", "", "/", "-", "_", "-").Replace(t.Name())) + "-"
	ns.Labels = map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}
	s := &site{T: t, c: c}
	s.create(ns)
	s.ns, s.flavor = ns.Name, ns.Name
	t.Cleanup(func() {
		if t.Failed() {
			report(t, c, s.ns)
		}
		remove(t, c, ns)
	})
	s.newFlavor(s.flavor, nil)
	s.key, err = openssh.NewKey(t.Context(), t.TempDir(), "owner", "ed25519")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newFlavor creates a flavor for small servers. edit may change its spec.
func (s *site) newFlavor(name string, edit func(*v1.DevServerFlavorSpec)) *v1.DevServerFlavor {
	s.Helper()
	f := &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: name}}
	f.Spec.Resources = corev1.ResourceRequirements{
		Requests: quantities("cpu", "20m", "memory", "64Mi"),
		Limits:   quantities("memory", "512Mi"),
	}
	if edit != nil {
		edit(&f.Spec)
	}
	s.create(f)
	s.Cleanup(func() { remove(s.T, s.c, f) })
	return f
}

// devServer returns a DevServer for this site without creating it.
func (s *site) devServer(name string) *v1.DevServer {
	ds := &v1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: s.ns}}
	ds.Spec = v1.DevServerSpec{
		Owner:              owner,
		Flavor:             s.flavor,
		SSH:                v1.SSHSpec{PublicKey: s.key.Public},
		PersistentHomeSize: resource.MustParse("64Mi"),
	}
	return ds
}

// node returns the name of the local cluster, which is also that of its first
// node.
func (s *site) node() string { return filepath.Base(filepath.Dir(s.c.Kubeconfig)) }

func (s *site) create(obj client.Object) {
	s.Helper()
	if err := s.c.Create(s.Context(), obj); err != nil {
		s.Fatalf("create %T: %v", obj, err)
	}
}

// edit changes an object by merge patch, as "kubectl edit" does.
func edit[T client.Object](s *site, obj T, change func(T)) {
	s.Helper()
	s.get(obj)
	before := obj.DeepCopyObject().(T)
	change(obj)
	if err := s.c.Patch(s.Context(), obj, client.MergeFrom(before)); err != nil {
		s.Fatalf("edit %T %s: %v", obj, obj.GetName(), err)
	}
}

func (s *site) get(obj client.Object) {
	s.Helper()
	if err := s.c.Get(s.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
		s.Fatalf("get %T %s: %v", obj, obj.GetName(), err)
	}
}

func (s *site) delete(obj client.Object) {
	s.Helper()
	if err := s.c.Delete(s.Context(), obj); err != nil {
		s.Fatalf("delete %T %s: %v", obj, obj.GetName(), err)
	}
}

// absent fails the test if the object exists.
func (s *site) absent(obj client.Object) {
	s.Helper()
	if err := s.c.Get(s.Context(), client.ObjectKeyFromObject(obj), obj); !apierrors.IsNotFound(err) {
		s.Errorf("%T %s: got error %v, want that it does not exist", obj, obj.GetName(), err)
	}
}

// named returns the metadata for an object in this site's namespace.
func (s *site) named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: s.ns}
}

// await watches an object until ok returns true. wanted describes that state.
func await[T client.Object](s *site, obj T, wanted string, ok func(T) bool) T {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), bound)
	defer cancel()
	found, err := cluster.Await(ctx, s.c, obj, ok)
	if err != nil {
		s.Fatalf("%T %s never %s: %v", obj, obj.GetName(), wanted, err)
	}
	return found
}

// awaitGone watches an object until it does not exist.
func (s *site) awaitGone(obj client.Object) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), bound)
	defer cancel()
	if err := cluster.AwaitGone(ctx, s.c, obj); err != nil {
		s.Fatalf("%T %s was not deleted: %v", obj, obj.GetName(), err)
	}
}

// remove deletes an object in a cleanup, when the test's context has ended.
func remove(t *testing.T, c client.Client, obj client.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	if err := client.IgnoreNotFound(c.Delete(ctx, obj)); err != nil {
		t.Errorf("delete %T %s: %v", obj, obj.GetName(), err)
	}
}

func quantities(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

// report prints the state of a namespace after a failure.
func report(t *testing.T, c *cluster.Cluster, ns string) {
	kubectl, err := cluster.Binary("kubectl")
	if err != nil {
		t.Log(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	for _, words := range []string{"get dev -o wide", "get all,pvc", "get events --sort-by=.lastTimestamp"} {
		args := append([]string{"--kubeconfig", c.Kubeconfig, "-n", ns}, strings.Fields(words)...)
		out, err := openssh.Do(openssh.Tool(ctx, kubectl, args...))
		t.Log(fmt.Sprintf("$ kubectl -n %s %s\n", ns, words), out.Stdout, out.Stderr, err)
	}
}

// sub runs a part of the test as a subtest, in parallel with the other parts.
func (s *site) sub(name string, part func(*site)) {
	s.Run(name, func(t *testing.T) {
		t.Parallel()
		inner := *s
		inner.T = t
		part(&inner)
	})
}

// kubectl runs the checkout's kubectl in the site's namespace.
func (s *site) kubectl(stdin string, words ...string) string {
	s.Helper()
	path, err := cluster.Binary("kubectl")
	if err != nil {
		s.Fatal(err)
	}
	args := append([]string{"--kubeconfig", s.c.Kubeconfig, "-n", s.ns}, words...)
	cmd := openssh.Tool(s.bounded(), path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	return s.must(cmd)
}

// devctl runs the checkout's devctl in the site's namespace.
func (s *site) devctl(words ...string) string {
	s.Helper()
	path, err := cluster.Binary("devctl")
	if err != nil {
		s.Fatal(err)
	}
	return s.must(openssh.Tool(s.bounded(), path, append([]string{"--kubeconfig", s.c.Kubeconfig, "-n", s.ns}, words...)...))
}

// newShared creates a claim that several servers can mount.
func (s *site) newShared(name string) {
	s.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: s.named(name)}
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
	claim.Spec.Resources.Requests = quantities("storage", "64Mi")
	s.create(claim)
}

func raw(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }
