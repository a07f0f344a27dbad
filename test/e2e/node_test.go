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

// farTaint is on every second node from the moment it is there, with the node's
// name for a value: the volumes of other tests are on the first node only.
const farTaint = "example.com/far"

// farSite is a site whose servers run on a second node while there is one. It is
// theirs alone, so that such tests can run beside all others.
type farSite struct {
	*site
	// first and second are the nodes' names.
	first, second string
}

// newFarSite makes the local cluster one node larger for as long as the test
// takes. The suffix tells the second nodes of tests apart.
func newFarSite(t *testing.T, suffix string) *farSite {
	t.Helper()
	s := newSite(t)
	f := &farSite{site: s, first: s.node(), second: s.node() + suffix}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: f.second}}
	if err := s.c.Get(t.Context(), client.ObjectKeyFromObject(node), node); !apierrors.IsNotFound(err) {
		t.Fatalf("node %s is there, left by another run (or: %v)", f.second, err)
	}
	t.Cleanup(func() {
		f.machineEnds(context.Background())
		remove(t, s.c, node)
	})
	f.local(t.Context(), "join", f.first, "--taint", farTaint+"="+f.second+":NoSchedule")
	edit(s, &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: s.flavor}}, func(d *v1.DevServerFlavor) { f.admit(&d.Spec) })
	return f
}

// local runs the checkout's "local" for the second node.
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

// machineEnds ends the second node with all that runs on it, at once, and
// without a word to the cluster.
func (f *farSite) machineEnds(ctx context.Context) {
	f.Helper()
	f.local(ctx, "down")
}

// admit has servers start on the second node, and on the first once it is gone.
func (f *farSite) admit(flavor *v1.DevServerFlavorSpec) {
	f.prefer(flavor)
	flavor.Tolerations = append(flavor.Tolerations, corev1.Toleration{Key: farTaint, Value: f.second, Effect: corev1.TaintEffectNoSchedule})
}

// prefer has servers start on the second node where they may, and else on the first.
func (f *farSite) prefer(flavor *v1.DevServerFlavorSpec) {
	second := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
		Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.second},
	}}}
	flavor.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 100, Preference: second}},
	}}
}

// startFar starts a server on the second node, with a home that both nodes reach,
// as a network's disk, and something in it.
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

// keepsOthersOff shows that a server without the toleration does not come to the
// second node, though its flavor prefers that and no volume stands against it.
func (f *farSite) keepsOthersOff() {
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

// movedToFirst waits until the server runs on the first node, and looks whether it
// is the same server there and says what happened, in these words.
func (f *farSite) movedToFirst(b *server, words string) {
	f.Helper()
	ds := await(f.site, b.ds, "Running on the first node", func(d *v1.DevServer) bool {
		return d.Status.Phase == v1.PhaseRunning && d.Status.NodeName == f.first
	})
	port := b.ds.Status.SSH.Port
	if b = f.running(ds); b.ds.Status.SSH.Port != port {
		f.Errorf("the port was %d and is %d", port, b.ds.Status.SSH.Port)
	}
	b.want("cat ~/file", "kept")
	if was := b.ds.Status.LastDisruption; was == nil || !strings.Contains(was.Message, words) {
		f.Errorf("status.lastDisruption is %+v, which does not say %q", was, words)
	}
	f.eventually("the login message tells of the interruption", func() bool {
		c := b.session()
		c.enter("exit")
		c.ended(0)
		return strings.Contains(c.Screen(), "This server was interrupted at")
	})
}

// TestLostNode: of a machine that is gone nobody knows whether a server still runs
// there, until its Node is tainted as out of service, or deleted. Either brings
// the server back, on another node.
func TestLostNode(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-2")
	untainted := f.newFlavor(f.flavor+"-tolerant", func(spec *v1.DevServerFlavorSpec) {
		f.admit(spec)
		spec.Tolerations = append(spec.Tolerations, corev1.Toleration{Key: corev1.TaintNodeOutOfService, Operator: corev1.TolerationOpExists})
	})
	one, other := f.startFar("one", f.flavor), f.startFar("other", untainted.Name)
	f.machineEnds(t.Context())
	ways := []string{"kubectl delete node " + f.second, "kubectl taint node " + f.second + " node.kubernetes.io/out-of-service=:NoExecute"}
	f.notReady(one.ds, v1.PhaseFailed, v1.ReasonNodeLost, ways...)
	f.notReady(other.ds, v1.PhaseFailed, v1.ReasonNodeLost, ways...)

	lost := other.podUID()
	f.kubectl("", strings.Fields(ways[1])[1:]...)
	f.movedToFirst(one, "The node "+f.second+" stopped answering")
	if f.get(other.ds); !hasReason(other.ds, v1.ConditionReady, v1.ReasonNodeLost) || other.podUID() != lost {
		f.Errorf("a server that tolerates the taint has left all the same: %+v", other.ds.Status.Conditions)
	}
	f.kubectl("", strings.Fields(ways[0])[1:]...)
	f.movedToFirst(other, "The node "+f.second+" stopped answering")
}

// TestDeletedNode: a cloud that takes a machine back deletes its Node.
func TestDeletedNode(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-3")
	b := f.startFar("server", f.flavor)
	f.kubectl("", "delete", "node", f.second)
	f.movedToFirst(b, "its node is gone")
}

// TestDrain: an admin who empties a node moves its servers, with their homes.
func TestDrain(t *testing.T) {
	t.Parallel()
	f := newFarSite(t, "-4")
	b := f.startFar("server", f.flavor)
	f.keepsOthersOff()
	f.kubectl("", "drain", f.second, "--delete-emptydir-data")
	f.movedToFirst(b, "its node is being drained")
	var left corev1.PodList
	if err := f.c.List(t.Context(), &left, client.InNamespace(f.ns)); err != nil || len(left.Items) != 1 {
		f.Errorf("%d pods are left, want the one that moved: %v", len(left.Items), err)
	}
}
