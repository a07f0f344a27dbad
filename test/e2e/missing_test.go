package e2e

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1 "devserver.io/devserver/api/v1"
)

// notReady waits until a DevServer is not Ready for a reason, and checks the phase
// and that the message contains the names.
func (s *site) notReady(ds *v1.DevServer, phase v1.DevServerPhase, reason string, names ...string) *v1.DevServer {
	s.Helper()
	ds = await(s, ds, "Ready False with reason "+reason, func(d *v1.DevServer) bool {
		c := meta.FindStatusCondition(d.Status.Conditions, v1.ConditionReady)
		return c != nil && c.Status == metav1.ConditionFalse && c.Reason == reason && d.Status.ObservedGeneration == d.Generation
	})
	if ds.Status.Phase != phase {
		s.Errorf("%s: phase %s, want %s", reason, ds.Status.Phase, phase)
	}
	message := meta.FindStatusCondition(ds.Status.Conditions, v1.ConditionReady).Message
	for _, name := range names {
		if !strings.Contains(message, name) {
			s.Errorf("%s: the message %q does not name %q", reason, message, name)
		}
	}
	s.Logf("%s: %s", reason, message)
	return ds
}

// noChildren checks that no objects were created for a DevServer.
func (s *site) noChildren() {
	s.Helper()
	for _, list := range []client.ObjectList{&appsv1.StatefulSetList{}, &corev1.ServiceList{}, &corev1.SecretList{}, &corev1.PodList{}} {
		if err := s.c.List(s.Context(), list, client.InNamespace(s.ns)); err != nil {
			s.Fatal(err)
		}
		if n := meta.LenList(list); n != 0 {
			s.Errorf("%T has %d items, want none", list, n)
		}
	}
}

// TestMissingFlavor: the condition names the missing flavor, and the server starts
// when it is created.
func TestMissingFlavor(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.Flavor = s.flavor + "-later"
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonFlavorNotFound, ds.Spec.Flavor)
	s.noChildren()
	version := ds.Generation
	s.newFlavor(ds.Spec.Flavor, nil)
	if b := s.running(ds); b.ds.Generation != version {
		s.Error("the DevServer's spec was written")
	}
}

// TestMissingClaim: the same for the claim of the shared volume.
func TestMissingClaim(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ds := s.devServer("server")
	ds.Spec.SharedVolumeClaimName = "later"
	s.create(ds)
	ds = s.notReady(ds, v1.PhasePending, v1.ReasonClaimNotFound, "later")
	s.noChildren()
	s.newShared("later")
	s.running(ds).sh("touch /shared/file")
}

// TestDefaultFlavor: a DevServer without a flavor gets the cluster's default flavor.
// If several flavors are marked as default, it gets the oldest. The test does not run
// in parallel with others, because it affects the whole cluster.
func TestDefaultFlavor(t *testing.T) {
	s := newSite(t)
	oldest := s.defaultFlavor()
	if oldest == "" {
		ds := s.devServer("too-early")
		ds.Spec.Flavor = ""
		s.create(ds)
		s.notReady(ds, v1.PhasePending, v1.ReasonFlavorNotFound, "default")
		oldest = s.flavor + "-default"
		s.newFlavor(oldest, func(f *v1.DevServerFlavorSpec) { f.Default = true })
		s.running(ds)
		s.delete(ds)
	}
	s.newFlavor(s.flavor+"-younger", func(f *v1.DevServerFlavorSpec) { f.Default = true })
	ds := s.devServer("server")
	ds.Spec.Flavor = ""
	if b := s.start(ds); b.ds.Status.Flavor != oldest {
		s.Errorf("status.flavor is %q, want the oldest default, %q", b.ds.Status.Flavor, oldest)
	}
}

func (s *site) defaultFlavor() string {
	s.Helper()
	var list v1.DevServerFlavorList
	if err := s.c.List(s.Context(), &list); err != nil {
		s.Fatal(err)
	}
	var oldest *v1.DevServerFlavor
	for i, f := range list.Items {
		if f.Spec.Default && (oldest == nil || f.CreationTimestamp.Before(&oldest.CreationTimestamp)) {
			oldest = &list.Items[i]
		}
	}
	if oldest == nil {
		return ""
	}
	return oldest.Name
}
