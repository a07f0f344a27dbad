package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/test/cluster"
	"devserver.io/devserver/test/openssh"
)

// farSite is a site whose boxes run on a second node while there is one. Its
// tests run alone: the volumes of all others are on the first node only.
type farSite struct {
	*site
	// first and second are the nodes' names. The local cluster has its name from
	// the first.
	first, second string
}

// newFarSite makes the local cluster one node larger for as long as the test
// takes.
func newFarSite(t *testing.T) *farSite {
	t.Helper()
	s := newSite(t)
	nodes := &corev1.NodeList{}
	if err := s.c.List(t.Context(), nodes); err != nil || len(nodes.Items) != 1 {
		t.Fatalf("the cluster has %d nodes, want one: %v", len(nodes.Items), err)
	}
	first := nodes.Items[0].Name
	f := &farSite{site: s, first: first, second: first + "-2"}
	t.Cleanup(func() {
		f.machineEnds(context.Background())
		remove(t, s.c, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: f.second}})
	})
	f.local(t.Context(), "join", first)
	edit(s, &v1.DevServerFlavor{ObjectMeta: metav1.ObjectMeta{Name: s.flavor}}, func(d *v1.DevServerFlavor) { f.prefer(&d.Spec) })
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

// prefer has boxes start on the second node, and anywhere once it is gone.
func (f *farSite) prefer(flavor *v1.DevServerFlavorSpec) {
	second := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{
		Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.second},
	}}}
	flavor.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 100, Preference: second}},
	}}
}

// startFar starts a box on the second node, with a home that both nodes reach,
// as a network's disk, and something in it.
func (f *farSite) startFar(name, flavor string) *box {
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

// movedToFirst waits until the box runs on the first node, and looks whether it
// is the same box there and says what happened, in these words.
func (f *farSite) movedToFirst(b *box, words string) {
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

// TestLostNode: of a machine that is gone nobody knows whether a box still runs
// there, until its Node is tainted as out of service, or deleted. Either brings
// the box back, on another node.
func TestLostNode(t *testing.T) {
	f := newFarSite(t)
	untainted := f.newFlavor(f.flavor+"-tolerant", func(spec *v1.DevServerFlavorSpec) {
		f.prefer(spec)
		spec.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeOutOfService, Operator: corev1.TolerationOpExists}}
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
		f.Errorf("a box that tolerates the taint has left all the same: %+v", other.ds.Status.Conditions)
	}
	f.kubectl("", strings.Fields(ways[0])[1:]...)
	f.movedToFirst(other, "The node "+f.second+" stopped answering")
}

// TestDeletedNode: a cloud that takes a machine back deletes its Node.
func TestDeletedNode(t *testing.T) {
	f := newFarSite(t)
	b := f.startFar("box", f.flavor)
	f.kubectl("", "delete", "node", f.second)
	f.movedToFirst(b, "its node is gone")
}

// TestDrain: an admin who empties a node moves its boxes, with their homes.
func TestDrain(t *testing.T) {
	f := newFarSite(t)
	b := f.startFar("box", f.flavor)
	f.kubectl("", "drain", f.second, "--delete-emptydir-data")
	f.movedToFirst(b, "its node is being drained")
	var left corev1.PodList
	if err := f.c.List(t.Context(), &left, client.InNamespace(f.ns)); err != nil || len(left.Items) != 1 {
		f.Errorf("%d pods are left, want the one that moved: %v", len(left.Items), err)
	}
}
