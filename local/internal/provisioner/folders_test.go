package provisioner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(mode corev1.PersistentVolumeAccessMode) controller.ProvisionOptions {
	reclaim := corev1.PersistentVolumeReclaimDelete
	return controller.ProvisionOptions{
		PVName:       "pvc-1",
		StorageClass: &storagev1.StorageClass{ReclaimPolicy: &reclaim},
		PVC: &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "home"},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{mode},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		},
	}
}

func TestProvisionAndDelete(t *testing.T) {
	f := Folders{Root: t.TempDir(), Node: "n"}
	for _, mode := range []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce, corev1.ReadWriteMany} {
		pv, err := f.Provision(t.Context(), options(mode))
		if err != nil {
			t.Fatal(err)
		}
		if pv.Spec.AccessModes[0] != mode || pv.Spec.Capacity.Storage().String() != "1Gi" || pv.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
			t.Errorf("%s: the volume is %+v", mode, pv.Spec)
		}
		// The kubelet applies fsGroup to volumes of this type, but not to hostPath.
		if pv.Spec.Local == nil || pv.Spec.NodeAffinity == nil {
			t.Fatalf("%s: the volume is not a local one on a node: %+v", mode, pv.Spec)
		}
		info, err := os.Stat(pv.Spec.Local.Path)
		if err != nil || info.Mode().Perm() != 0o755 {
			t.Fatalf("%s: the folder is %v (%v)", mode, info, err)
		}
		if err := os.WriteFile(filepath.Join(pv.Spec.Local.Path, "file"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := f.Delete(t.Context(), pv); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(pv.Spec.Local.Path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder still exists after the volume was deleted (%v)", mode, err)
		}
	}
}

func TestDeleteIgnoresOtherVolumes(t *testing.T) {
	root, other := t.TempDir(), t.TempDir()
	f := Folders{Root: root, Node: "n"}
	for _, path := range []string{other, root, filepath.Join(root, "a", "b")} {
		pv := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}}}}
		var ignored *controller.IgnoredError
		if err := f.Delete(t.Context(), pv); !errors.As(err, &ignored) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, dir := range []string{root, other} {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}

func TestFolderIsACopy(t *testing.T) {
	f := Folders{Root: t.TempDir(), Node: "n"}
	from := filepath.Join(f.Root, "source")
	f.Client = bound(t, "1Gi", from)
	if err := errors.Join(os.Mkdir(from, 0o750), os.WriteFile(filepath.Join(from, "file"), []byte("content"), 0o640), os.Symlink("file", filepath.Join(from, "link"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(from, os.Geteuid(), 1000); err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	copied := copyOf(options(corev1.ReadWriteMany), "source")
	got, err := f.Provision(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	to := got.Spec.Local.Path
	if data, err := os.ReadFile(filepath.Join(to, "link")); err != nil || string(data) != "content" {
		t.Errorf("the copy holds %q (%v)", data, err)
	}
	if link, err := os.Readlink(filepath.Join(to, "link")); err != nil || link != "file" {
		t.Errorf("the link leads to %q (%v)", link, err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("the copy is %v (%v)", info, err)
	}
	// A second call, after a lost response, does not change the folder.
	if err := os.WriteFile(filepath.Join(to, "file"), []byte("newer"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Provision(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile(filepath.Join(to, "file")); err != nil || string(data) != "newer" {
		t.Errorf("after a second call it holds %q (%v)", data, err)
	}
	if entries, err := os.ReadDir(f.Root); err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	f.Client = bound(t, "1Gi", t.TempDir())
	copied.PVName = "pvc-2"
	if _, err := f.Provision(t.Context(), copied); err == nil || !strings.Contains(err.Error(), "cannot be copied") {
		t.Errorf("a folder elsewhere was copied: %v", err)
	}
}

func TestFoldersRefuseUnsupportedClaims(t *testing.T) {
	f := Folders{Root: t.TempDir(), Node: "n"}
	block := options(corev1.ReadWriteOnce)
	mode := corev1.PersistentVolumeBlock
	block.PVC.Spec.VolumeMode = &mode
	source := options(corev1.ReadWriteOnce)
	source.PVC.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "s"}
	for want, o := range map[string]controller.ProvisionOptions{"block volumes": block, "a VolumeSnapshot is not supported": source} {
		if _, err := f.Provision(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
}
