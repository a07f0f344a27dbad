package flavor_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

func TestStatusFollowsNodesAndPods(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	second := w.node("node-2")
	w.flavor("small", "2")
	w.flavor("huge", "9")
	w.pod("other", "node-1", "7")
	w.settled()
	w.want("small", devv1.SchedulableYes, 4, 0, "4 more fit on 1 of 2 nodes")
	w.want("huge", devv1.SchedulableNo, 0, 0, "2 have too little cpu")

	second.Spec.Unschedulable = true
	if err := w.c.Update(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.want("small", devv1.SchedulableNo, 0, 0, "cpu is short on 1. Of the other 1, 1 is cordoned.")
}

// Only the flavors whose status changes are written.
func TestOnlyChangesAreWritten(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	w.flavor("small", "2")
	w.flavor("huge", "9")
	w.settled()
	w.pod("other", "node-1", "4")
	if writes := w.reconcile(); !slices.Equal(writes, []string{"status of small"}) {
		t.Errorf("a pod that affects one flavor causes the writes %v", writes)
	}
	w.settled()
}

func TestServersAreInUse(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	w.flavor("small", "2")
	d := &devv1.DevServer{
		ObjectMeta: metav1.ObjectMeta{Name: "server", Namespace: w.ns},
		Spec: devv1.DevServerSpec{
			Owner: "user@example.com", Flavor: "small", PersistentHomeSize: resource.MustParse("1Gi"),
			SSH: devv1.SSHSpec{PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJRZ8wZb0xRLRl7W6s6wM6GxBvVYIoNzD3xk0Zs4R9rT test"},
		},
	}
	w.create(d)
	w.settled()
	w.want("small", devv1.SchedulableYes, 4, 0, "4 more fit")

	labelled := func(p *corev1.Pod) { p.Labels = objects.Labels("server") }
	waiting := w.pod("server-0", "", "2", labelled)
	w.settled()
	w.want("small", devv1.SchedulableYes, 4, 1, "4 more fit")

	if err := w.c.Delete(t.Context(), waiting, client.GracePeriodSeconds(0)); err != nil {
		t.Fatal(err)
	}
	w.pod("server-0", "node-1", "2", labelled)
	w.settled()
	w.want("small", devv1.SchedulableYes, 3, 1, "3 more fit")
}

func TestOneDefault(t *testing.T) {
	w := newWorld(t)
	isDefault := func(f *devv1.DevServerFlavor) { f.Spec.Default = true }
	first := w.flavor("a-first", "1", isDefault)
	w.flavor("b-second", "1", isDefault)
	w.settled()
	w.wantDefault("a-first", devv1.ReasonIsDefault)
	w.wantDefault("b-second", devv1.ReasonOlderDefault)

	w.refresh(first, func() { first.Spec.Default = false })
	w.settled()
	w.wantDefault("a-first", devv1.ReasonNotDefault)
	w.wantDefault("b-second", devv1.ReasonIsDefault)
}

func TestRuntimeClassOverhead(t *testing.T) {
	w := newWorld(t)
	w.node("node-1")
	w.flavor("kata", "2", func(f *devv1.DevServerFlavor) { f.Spec.RuntimeClassName = "kata" })
	w.settled()
	w.want("kata", devv1.SchedulableNo, 0, 0, `There is no RuntimeClass "kata"`)
	w.create(&nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: "kata"}, Handler: "kata",
		Overhead: &nodev1.Overhead{PodFixed: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}},
	})
	w.settled()
	w.want("kata", devv1.SchedulableYes, 2, 0, "2 more fit")
}

func (w *world) wantDefault(name, reason string) {
	w.t.Helper()
	f := &devv1.DevServerFlavor{}
	if err := w.c.Get(w.t.Context(), client.ObjectKey{Name: name}, f); err != nil {
		w.t.Fatal(err)
	}
	if c := meta.FindStatusCondition(f.Status.Conditions, devv1.ConditionDefault); c == nil || c.Reason != reason {
		w.t.Errorf("the condition Default of %s is %+v, want %s", name, c, reason)
	}
}
