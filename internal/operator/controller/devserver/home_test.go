package devserver_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// bindHome creates the home's claim, bound, as the StatefulSet controller and a
// provisioner would.
func (w *world) bindHome(annotations map[string]string, edits ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	w.t.Helper()
	claim := w.claim("home-trainer-0", annotations)
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	claim.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1Gi")
	for _, edit := range edits {
		edit(claim)
	}
	w.create(claim)
	claim.Status.Phase = corev1.ClaimBound
	claim.Status.Capacity = claim.Spec.Resources.Requests
	if err := w.c.Status().Update(w.t.Context(), claim); err != nil {
		w.t.Fatal(err)
	}
	return claim
}

// expandable gives the claim a StorageClass whose volumes can grow.
func (w *world) expandable(claim *corev1.PersistentVolumeClaim) {
	w.t.Helper()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "expandable-" + w.ns}, Provisioner: "example.com/none", AllowVolumeExpansion: new(true)}
	w.create(class)
	w.t.Cleanup(func() { _ = w.c.Delete(context.Background(), class) })
	claim.Spec.StorageClassName = &class.Name
}

// A larger size is requested in the claim, and ResizePending is True until the volume
// has grown.
func TestHomeGrows(t *testing.T) {
	w := newWorld(t)
	w.running()
	claim := w.bindHome(ownersHome, w.expandable)
	w.settled()
	w.edit(func(s *devv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("2Gi") })
	w.wantCondition(w.settled(), devv1.ConditionResizePending, metav1.ConditionTrue, devv1.ReasonResizing, "2Gi")
	w.get(claim, claim.Name)
	if requested := claim.Spec.Resources.Requests.Storage().String(); requested != "2Gi" {
		t.Errorf("the claim requests %s, want 2Gi", requested)
	}
	claim.Status.Capacity = claim.Spec.Resources.Requests
	if err := w.c.Status().Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	d := w.settled()
	w.wantCondition(d, devv1.ConditionResizePending, metav1.ConditionFalse, devv1.ReasonSizeAsRequested, "")
	if d.Status.Home.Capacity != "2Gi" {
		t.Errorf("status.home is %+v", d.Status.Home)
	}
}

// The retention policy is applied even if the home cannot grow.
func TestRetentionOfAHomeThatCannotGrow(t *testing.T) {
	w := newWorld(t)
	w.running()
	claim := w.bindHome(ownersHome)
	w.edit(func(s *devv1.DevServerSpec) {
		s.PersistentHomeSize, s.Home = resource.MustParse("2Gi"), &devv1.HomeSpec{RetentionPolicy: devv1.HomeDelete}
	})
	w.reconcile()
	w.get(claim, claim.Name)
	if len(claim.OwnerReferences) != 1 {
		t.Errorf("the claim has the owners %v, want the DevServer", claim.OwnerReferences)
	}
	w.wantCondition(w.read(), devv1.ConditionResizePending, metav1.ConditionTrue, devv1.ReasonNotExpandable, "")
}

// ownersHome are the annotations of a home of the test's owner.
var ownersHome = map[string]string{objects.AnnotationOwner: "user@example.com"}

// Without a StorageClass, the API server refuses to let the volume grow. The condition
// reports that, and everything else is applied.
func TestHomeThatCannotGrow(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.bindHome(ownersHome)
	d := w.settled()
	if d.Status.Home == nil || d.Status.Home.ClaimName != "home-trainer-0" || d.Status.Home.Capacity != "1Gi" {
		t.Errorf("status.home is %+v", d.Status.Home)
	}
	w.wantCondition(d, devv1.ConditionResizePending, metav1.ConditionFalse, devv1.ReasonSizeAsRequested, "")
	w.edit(func(s *devv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("2Gi") })
	result, writes := w.reconcile()
	d = w.read()
	w.wantCondition(d, devv1.ConditionResizePending, metav1.ConditionTrue, devv1.ReasonNotExpandable, "storageclass")
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
	if result.RequeueAfter == 0 || len(writes) != 2 {
		t.Errorf("a pass writes %v and requeues after %s", writes, result.RequeueAfter)
	}
}

// A key that does not decode does not remove the home from the status.
func TestHomeStaysInStatusWithABadKey(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.bindHome(ownersHome)
	before := w.settled()
	w.edit(func(s *devv1.DevServerSpec) { s.SSH.PublicKeys = []string{undecodableKey} })
	d := w.settled()
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonInvalidKey, "")
	if d.Status.Home == nil || *d.Status.Home != *before.Status.Home {
		t.Errorf("status.home is %+v, was %+v", d.Status.Home, before.Status.Home)
	}
}

// Delete makes the DevServer an owner of the claim, and Retain removes it again.
func TestRetention(t *testing.T) {
	w := newWorld(t)
	w.running()
	claim := w.bindHome(ownersHome)
	w.settled()
	w.get(claim, claim.Name)
	if len(claim.OwnerReferences) > 0 {
		t.Fatalf("the claim has the owners %v, want none", claim.OwnerReferences)
	}
	for _, policy := range []devv1.HomeRetentionPolicy{devv1.HomeDelete, devv1.HomeRetain, devv1.HomeDelete, ""} {
		w.edit(func(s *devv1.DevServerSpec) { s.Home = &devv1.HomeSpec{RetentionPolicy: policy} })
		d := w.settled()
		claim = &corev1.PersistentVolumeClaim{}
		w.get(claim, "home-trainer-0")
		owned := len(claim.OwnerReferences) == 1 && claim.OwnerReferences[0].UID == d.UID && claim.OwnerReferences[0].Controller == nil
		if owned != (policy == devv1.HomeDelete) || len(claim.OwnerReferences) > 1 {
			t.Errorf("%q: the claim has the owners %v", policy, claim.OwnerReferences)
		}
		if size := claim.Spec.Resources.Requests.Storage().String(); size != "1Gi" {
			t.Errorf("%q: the size changed to %s", policy, size)
		}
	}
}

func TestHomeFromClaim(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Home = &devv1.HomeSpec{ClaimName: "old"} }))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimNotFound, `"old"`)
	claim := w.claim("old", nil)
	w.create(claim)
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonHomeConflict, "devserver.io/owner=user@example.com")
	claim.Annotations = ownersHome
	if err := w.c.Update(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	if len(set.Spec.VolumeClaimTemplates) > 0 {
		t.Error("the StatefulSet has a template for another home")
	}
}

// Only one DevServer can use a home, and no other server can mount it as a volume.
func TestHomeInUse(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.bindHome(ownersHome)
	first := w.devServer(func(d *devv1.DevServer) { d.Name = "aaa"; d.Spec.Home = &devv1.HomeSpec{ClaimName: "home-trainer-0"} })
	w.create(first, w.devServer())
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimInUse, "DevServer aaa")
	if err := w.c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")

	w.create(w.claim("home-zzz-0", ownersHome), w.devServer(func(d *devv1.DevServer) { d.Name = "zzz" }))
	w.edit(func(s *devv1.DevServerSpec) { s.SharedVolumeClaimName = "home-zzz-0" })
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonClaimInUse, "DevServer zzz")
}

// The home of another owner cannot be mounted as a volume.
func TestForeignHomeAsVolume(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.claim("home-other-0", map[string]string{objects.AnnotationOwner: "other@example.com"}))
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Volumes = []devv1.VolumeMount{{ClaimName: "home-other-0", MountPath: "/look"}}
	}))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonHomeConflict, "home directory of other@example.com")
}

func TestDataSource(t *testing.T) {
	from := func(kind string) func(*devv1.DevServer) {
		return func(d *devv1.DevServer) {
			d.Spec.Home = &devv1.HomeSpec{DataSource: &devv1.HomeDataSource{Kind: kind, Name: "source"}}
		}
	}
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(from("VolumeSnapshot")))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimNotFound, `The VolumeSnapshot "source" for spec.home.dataSource does not exist`)
	if result, _ := w.reconcile(); result.RequeueAfter != 30*time.Second {
		t.Errorf("a pass without the snapshot, which is not watched, requeues after %s, want 30s", result.RequeueAfter)
	}

	w = newWorld(t)
	w.flavor()
	w.create(w.devServer(from("PersistentVolumeClaim")))
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonClaimNotFound, `The PersistentVolumeClaim "source" for spec.home.dataSource does not exist`)
	source := w.claim("source", map[string]string{objects.AnnotationOwner: "other@example.com"})
	w.create(source)
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonHomeConflict, "other@example.com")
	source.Annotations = ownersHome
	if err := w.c.Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
}

// A home keeps the uid with which it was created, even if the DevServerUser is deleted
// or was created later.
func TestUID(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	owner := "user@" + w.ns
	own := func(d *devv1.DevServer) { d.Spec.Owner = owner }
	user := w.user("alice", owner, func(u *devv1.DevServerUser) { u.Spec.UID = 20017 })
	w.create(w.devServer(own))
	w.settled()
	uid := func() (uid int64, annotation string) {
		set := &appsv1.StatefulSet{}
		w.get(set, "trainer")
		return *set.Spec.Template.Spec.SecurityContext.RunAsUser, set.Spec.VolumeClaimTemplates[0].Annotations[objects.AnnotationUID]
	}
	if got, annotation := uid(); got != 20017 || annotation != "20017" {
		t.Errorf("the server runs as %d, its home is annotated with %q", got, annotation)
	}
	if err := w.c.Delete(t.Context(), user); err != nil {
		t.Fatal(err)
	}
	w.settled()
	if got, _ := uid(); got != 20017 {
		t.Errorf("after the DevServerUser was deleted, the server runs as %d, want 20017", got)
	}

	w = newWorld(t)
	w.flavor()
	w.user("bob", "user@example.com", func(u *devv1.DevServerUser) { u.Spec.UID = 20018 })
	w.bindHome(ownersHome) // Without a uid: it was created before the DevServerUser.
	w.create(w.devServer())
	w.settled()
	if got, annotation := uid(); got != 1000 || annotation != "" {
		t.Errorf("with an older home, the server runs as %d, its template is annotated with %q", got, annotation)
	}
}

// No server runs as the uid of the SSH server, also if a home was annotated with it.
func TestUIDOfSSHServerIsRefused(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.bindHome(map[string]string{objects.AnnotationOwner: "user@example.com", objects.AnnotationUID: "65532"})
	w.create(w.devServer())
	w.wantCondition(w.settled(), devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonHomeConflict, "belongs to the uid 65532")
	w.absent(&appsv1.StatefulSet{}, "trainer")
}

// The claim template of a StatefulSet is immutable, so a new size must not change it.
func TestClaimTemplateDoesNotChange(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.PersistentHomeSize = resource.MustParse("3Gi") })
	w.wantCondition(w.settled(), devv1.ConditionAccepted, metav1.ConditionTrue, devv1.ReasonApplied, "")
}
