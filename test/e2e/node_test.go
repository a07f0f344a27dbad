package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// farTaint is a taint that every second node has from the start. Its value is the
// node's name. It keeps the servers of other tests off, because their volumes are on
// the first node only.
const farTaint = "example.com/far"

// farSite is a site with a second node, on which only its own servers run. Such tests
// can therefore run in parallel with all others.
type farSite struct {
	*site
	// first and second are the nodes' names.
	first, second string
}

// newFarSite adds a node to the local cluster until the test ends. The suffix must be
// different for each test.
func newFarSite(t *testing.T, suffix string) *farSite {
	t.Helper()
	s := newSite(t)
	f := &farSite{site: s, first: s.node(), second: s.node() + suffix}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: f.second}}
	if err := s.c.Get(t.Context(), client.ObjectKeyFromObject(node), node); !apierrors.IsNotFound(err) {
		t.Fatalf("node %s: got error %v, want that it does not exist; it may be left from another run", f.second, err)
	}
	t.Cleanup(func() {
		f.stopNode(context.Background())
		remove(t, s.c, node)
	})
	f.local(t.Context(), "join", f.first, "--taint", farTaint+"="+f.second+":NoSchedule")
	edit(s, &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: s.flavor}}, func(d *v1.DevServerFlavor) { f.admit(&d.Spec) })
	return f
}

// local runs the checkout's "local" command for the second node.
func (f *farSite) local(ctx context.Context, words ...string) {
	f.Helper()
	path, err := cluster.Binary("local")
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	f.must(openssh.Tool(ctx, path, append(words, "--cluster", f.second, "--root", cluster.Root())...))
}

// stopNode stops the second node and everything on it at once. The cluster is not
// notified.
func (f *farSite) stopNode(ctx context.Context) {
	f.Helper()
	f.local(ctx, "down")
}

// admit makes servers run on the second node, or on the first if the second does not
// exist.
func (f *farSite) admit(flavor *v1.DevServerFlavorSpec) {
	f.prefer(flavor)
	flavor.Tolerations = append(flavor.Tolerations, corev1.Toleration{Key: farTaint, Value: f.second, Effect: corev1.TaintEffectNoSchedule})
}

// prefer makes servers prefer the second node. It does not make them tolerate the taint.
func (f *farSite) prefer(flavor *v1.DevServerFlavorSpec) {
	second := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
		Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.second},
	}}}
	flavor.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 100, Preference: second}},
	}}
}

// startFar starts a server on the second node and writes a file to its home. Both nodes
// can mount the home, like a network volume.
func (f *farSite) startFar(name, flavor string) *server {
	f.Helper()
	folder := filepath.Join(f.TempDir(), "home")
	if err := os.Mkdir(folder, 0o755); err != nil {
		f.Fatal(err)
	}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: f.ns + "-" + name}}
	volume.Spec = corev1.PersistentVolumeSpec{
		Capacity:               quantities("storage", "64Mi"),
		AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
		NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpExists}},
		}}}},
	}
	f.create(volume)
	f.Cleanup(func() { remove(f.T, f.c, volume) })
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: f.named("home-" + name + "-0")}
	claim.Annotations = map[string]string{"devserver.io/owner": owner}
	claim.Spec.StorageClassName, claim.Spec.VolumeName = new(""), volume.Name
	claim.Spec.AccessModes = volume.Spec.AccessModes
	claim.Spec.Resources.Requests = volume.Spec.Capacity
	f.create(claim)

	ds := f.devServer(name)
	ds.Spec.Flavor = flavor
	b := f.start(ds)
	if b.ds.Status.NodeName != f.second {
		f.Fatalf("%s runs on %s, want %s", name, b.ds.Status.NodeName, f.second)
	}
	b.sh("echo kept > ~/file")
	return b
}

// repelsOthers checks that a server without the toleration does not run on the second
// node, even if its flavor prefers that node and its home can be mounted there.
func (f *farSite) repelsOthers() {
	f.Helper()
	other := f.devServer("other")
	other.Spec.Home = &v1.HomeSpec{Ephemeral: true}
	other.Spec.Flavor = f.newFlavor(f.flavor+"-other", f.prefer).Name
	b := f.start(other)
	if b.ds.Status.NodeName != f.first {
		f.Errorf("a server that does not tolerate the taint of %s runs on %s", f.second, b.ds.Status.NodeName)
	}
	f.delete(b.ds)
	f.awaitGone(b.pod())
}

// movedToFirst waits until the server runs on the first node, and checks that it has
// the same port and home, and that the words are in status.lastDisruption.
func (f *farSite) movedToFirst(b *server, words string) {
	f.Helper()
	ds := await(f.site, b.ds, "Running on the first node", func(d *v1.DevServer) bool {
		return d.Status.Phase == v1.PhaseRunning && d.Status.NodeName == f.first
	})
	port := b.ds.Status.SSH.Port
	if b = f.running(ds); b.ds.Status.SSH.Port != port {
		f.Errorf("the port changed from %d to %d", port, b.ds.Status.SSH.Port)
	}
	b.want("cat ~/file", "kept")
	if was := b.ds.Status.LastDisruption; was == nil || !strings.Contains(was.Message, words) {
		f.Errorf("status.lastDisruption is %+v, want a message with %q", was, words)
	}
	f.eventually("the login message reports the interruption", func() bool {
		c := b.session()
		c.enter("exit")
		c.ended(0)
		return strings.Contains(c.Screen(), "interrupted")
	})
}

// TestLostNode: if a node stops answering, Kubernetes does not know whether a server
// still runs there, so the server stays. Once the Node is tainted as out of service, or
// deleted, the server starts on another node.
func TestLostNode(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-2")
	untainted := f.newFlavor(f.flavor+"-tolerant", func(spec *v1.DevServerFlavorSpec) {
		f.admit(spec)
		spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: corev1.TaintNodeOutOfService, Operator: corev1.TolerationOpExists})
	})
	one, other := f.startFar("one", f.flavor), f.startFar("other", untainted.Name)
	f.stopNode(t.Context())
	ways := []string{"kubectl delete node " + f.second, "kubectl taint node " + f.second + " node.kubernetes.io/out-of-service=:NoExecute"}
	f.notReady(one.ds, v1.PhaseFailed, v1.ReasonNodeLost, ways...)
	f.notReady(other.ds, v1.PhaseFailed, v1.ReasonNodeLost, ways...)

	lost := other.podUID()
	f.kubectl("", strings.Fields(ways[1])[1:]...)
	f.movedToFirst(one, f.second)
	if f.get(other.ds); !hasReason(other.ds, v1.ConditionReady, v1.ReasonNodeLost) || other.podUID() != lost {
		f.Errorf("a server that tolerates the taint was moved: %+v", other.ds.Status.Conditions)
	}
	f.kubectl("", strings.Fields(ways[0])[1:]...)
	f.movedToFirst(other, f.second)
}

// TestDeletedNode: if a Node is deleted, as in a cloud that removes a machine, the
// server starts on another node.
func TestDeletedNode(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-3")
	b := f.startFar("server", f.flavor)
	f.kubectl("", "delete", "node", f.second)
	f.movedToFirst(b, "its node")
}

// TestDrain: draining a node moves its servers, with their homes.
func TestDrain(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-4")
	b := f.startFar("server", f.flavor)
	f.repelsOthers()
	f.kubectl("", "drain", f.second, "--delete-emptydir-data")
	f.movedToFirst(b, "drained")
	var left corev1.PodList
	if err := f.c.List(t.Context(), &left, client.InNamespace(f.ns)); err != nil || len(left.Items) != 1 {
		f.Errorf("%d pods exist, want only the new one: %v", len(left.Items), err)
	}
}
