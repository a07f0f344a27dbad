package provisioner

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// bound returns an API server with a claim "source" of this size in the namespace
// "team", whose volume has this path.
func bound(t *testing.T, size, path string) *fake.Clientset {
	t.Helper()
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "source"}}
	claim.Spec.VolumeName = "pvc-source"
	claim.Status.Phase = corev1.ClaimBound
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	pv := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-source"}}
	pv.Spec.Local = &corev1.LocalVolumeSource{Path: path}
	return fake.NewClientset(claim, pv)
}

// copyOf makes a claim a copy of another one.
func copyOf(opts controller.ProvisionOptions, name string) controller.ProvisionOptions {
	opts.PVC.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "PersistentVolumeClaim", Name: name}
	opts.PVC.Spec.DataSourceRef = &corev1.TypedObjectReference{Kind: "PersistentVolumeClaim", Name: name}
	return opts
}

func TestSource(t *testing.T) {
	other := "other"
	for name, test := range map[string]struct {
		change func(claim, from *corev1.PersistentVolumeClaim)
		want   string // part of the error, or empty
	}{
		"a copy":              {func(_, _ *corev1.PersistentVolumeClaim) {}, ""},
		"of a larger size":    {func(_, from *corev1.PersistentVolumeClaim) { setCapacity(from, "512Mi") }, ""},
		"the old field alone": {func(claim, _ *corev1.PersistentVolumeClaim) { claim.Spec.DataSourceRef = nil }, ""},
		"of nothing": {func(claim, _ *corev1.PersistentVolumeClaim) {
			claim.Spec.DataSource.Name, claim.Spec.DataSourceRef.Name = "none", "none"
		}, "the claim none to copy does not exist"},
		"not bound":         {func(_, from *corev1.PersistentVolumeClaim) { from.Status.Phase = corev1.ClaimPending }, "has no volume to copy yet"},
		"another class":     {func(_, from *corev1.PersistentVolumeClaim) { from.Spec.StorageClassName = &other }, `has StorageClass "other"`},
		"too small":         {func(_, from *corev1.PersistentVolumeClaim) { setCapacity(from, "2Gi") }, "the claim source has 2Gi: a copy of 1Gi would be too small"},
		"another namespace": {func(claim, _ *corev1.PersistentVolumeClaim) { claim.Spec.DataSourceRef.Namespace = &other }, "another namespace"},
		"a snapshot": {func(claim, _ *corev1.PersistentVolumeClaim) {
			claim.Spec.DataSource.Kind, claim.Spec.DataSourceRef.Kind = "VolumeSnapshot", "VolumeSnapshot"
		}, "a copy of a VolumeSnapshot is not supported by the local cluster: name a PersistentVolumeClaim as the data source"},
	} {
		client := bound(t, "1Gi", "/volumes/source")
		from, err := client.CoreV1().PersistentVolumeClaims("team").Get(t.Context(), "source", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		claim := copyOf(options(corev1.ReadWriteOnce), "source").PVC
		test.change(claim, from)
		if _, err := client.CoreV1().PersistentVolumeClaims("team").Update(t.Context(), from, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		pv, err := source(t.Context(), client, claim)
		switch {
		case test.want == "" && (err != nil || pv == nil || pv.Name != "pvc-source"):
			t.Errorf("%s: %v (%v)", name, pv, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: want an error with %q, got %v", name, test.want, err)
		}
	}
	if pv, err := source(t.Context(), nil, options(corev1.ReadWriteOnce).PVC); pv != nil || err != nil {
		t.Errorf("no source: %v (%v)", pv, err)
	}
}

func setCapacity(claim *corev1.PersistentVolumeClaim, size string) {
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
}
