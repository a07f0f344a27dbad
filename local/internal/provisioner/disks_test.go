package provisioner

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"devserver.io/devserver/local/internal/disk"
)

func disks(t *testing.T) Disks {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices require root")
	}
	store := disk.New(filepath.Join(t.TempDir(), "disks"))
	t.Cleanup(func() {
		if err := errors.Join(store.DetachAll(), store.AwaitDetached(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return Disks{Store: store, Node: "n"}
}

func TestDisk(t *testing.T) {
	d := disks(t)
	opts := options(corev1.ReadWriteOnce)
	opts.PVC.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("500M")
	pv, err := d.Provision(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	// The file system that the kubelet creates, and at least the requested size.
	if got := pv.Spec.Capacity.Storage().String(); got != "477Mi" || *pv.Spec.Local.FSType != "xfs" || pv.Spec.NodeAffinity == nil {
		t.Errorf("the volume is %+v with %s", pv.Spec, got)
	}
	device := pv.Spec.Local.Path
	if info, err := os.Stat(device); err != nil || info.Mode().Type() != os.ModeDevice {
		t.Fatalf("%s is %v (%v): the kubelet would not treat it as a block device", device, info, err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.xfs", "-q", "-f", device).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := t.TempDir()
	if err := unix.Mount(device, dir, "xfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	var inUse *controller.VolumeInUseError
	if err := d.Delete(t.Context(), pv); !errors.As(err, &inUse) {
		t.Errorf("deleting a mounted volume: %v", err)
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(device); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the device still exists after the volume was deleted (%v)", err)
	}
}

func TestDiskIsACopy(t *testing.T) {
	d := disks(t)
	if err := d.Store.Make(t.Context(), "pvc-source", disk.Least, ""); err != nil {
		t.Fatal(err)
	}
	d.Client = bound(t, "300Mi", d.Store.Device("pvc-source"))
	if err := os.WriteFile(d.Store.Device("pvc-source"), []byte("content"), 0); err != nil {
		t.Fatal(err)
	}
	pv, err := d.Provision(t.Context(), copyOf(options(corev1.ReadWriteOnce), "source"))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.Open(pv.Spec.Local.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	start := make([]byte, 7)
	if _, err := copied.Read(start); err != nil || string(start) != "content" {
		t.Errorf("the copy begins with %q (%v)", start, err)
	}
	d.Client = bound(t, "300Mi", "/elsewhere/pvc-source/device")
	if _, err := d.Provision(t.Context(), copyOf(options(corev1.ReadWriteOnce), "source")); err == nil || !strings.Contains(err.Error(), "cannot be copied") {
		t.Errorf("a device elsewhere was copied: %v", err)
	}
}

func TestDisksRefuseUnsupportedClaims(t *testing.T) {
	d := Disks{Store: disk.New(t.TempDir()), Node: "n"}
	block := options(corev1.ReadWriteOnce)
	mode := corev1.PersistentVolumeBlock
	block.PVC.Spec.VolumeMode = &mode
	both := options(corev1.ReadWriteOnce)
	both.PVC.Spec.AccessModes = append(both.PVC.Spec.AccessModes, corev1.ReadWriteMany)
	snapshot := options(corev1.ReadWriteOnce)
	snapshot.PVC.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "s"}
	for want, o := range map[string]controller.ProvisionOptions{
		"block volumes":                     block,
		"only ReadWriteOnce":                options(corev1.ReadWriteMany),
		"and not [ReadWriteOnce ReadWrite":  both,
		"a VolumeSnapshot is not supported": snapshot,
	} {
		if _, err := d.Provision(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error about %s, got %v", want, err)
		}
	}
	pv := &corev1.PersistentVolume{}
	for _, path := range []string{"/dev/sda", "/dev/loop0"} {
		pv.Spec.Local = &corev1.LocalVolumeSource{Path: path}
		var ignored *controller.IgnoredError
		if err := d.Delete(t.Context(), pv); !errors.As(err, &ignored) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestClassesDispatch: the library calls one provisioner for both classes.
func TestClassesDispatch(t *testing.T) {
	folder := Folders{Root: t.TempDir(), Node: "n"}
	classes := Classes{FoldersName: folder, DisksName: Disks{Store: disk.New(t.TempDir()), Node: "n"}}
	opts := options(corev1.ReadWriteMany)
	opts.StorageClass = &storagev1.StorageClass{Provisioner: DisksName, ReclaimPolicy: opts.StorageClass.ReclaimPolicy}
	if _, _, err := classes.Provision(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "only ReadWriteOnce") {
		t.Errorf("a claim of the class sized: %v", err)
	}
	opts.StorageClass.Provisioner = FoldersName
	pv, _, err := classes.Provision(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	var ignored *controller.IgnoredError
	for _, name := range []string{"", DisksName, "ebs.csi.aws.com"} {
		pv.Annotations = map[string]string{"pv.kubernetes.io/provisioned-by": name}
		if err := classes.Delete(t.Context(), pv); !errors.As(err, &ignored) {
			t.Errorf("a volume of %q was deleted: %v", name, err)
		}
	}
	pv.Annotations = map[string]string{"pv.kubernetes.io/provisioned-by": FoldersName}
	if err := classes.Delete(t.Context(), pv); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pv.Spec.Local.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder still exists after its volume was deleted: %v", err)
	}
}
