package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Folders provisions one folder per claim below Root, on the node called Node.
type Folders struct {
	Root   string
	Node   string
	Client kubernetes.Interface
}

// Provision creates the claim's folder: empty, or a copy of another claim's.
func (f Folders) Provision(ctx context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, error) {
	claim := opts.PVC
	if block(claim) {
		return nil, errors.New("block volumes are not supported: this StorageClass provides folders")
	}
	from, err := source(ctx, f.Client, claim)
	if err != nil {
		return nil, err
	}
	folder := f.folder(claim.Namespace, claim.Name, opts.PVName)
	if from == nil {
		err = empty(folder)
	} else {
		err = f.copyOf(ctx, folder, from)
	}
	if err != nil {
		return nil, err
	}
	return volume(opts, f.Node, requested(claim), corev1.LocalVolumeSource{Path: folder}), nil
}

// empty creates a folder, owned by root and with mode 0755, like a newly formatted file
// system: an application without its fsGroup fails here as it would on block storage.
func empty(folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("create the volume's folder: %w", err)
	}
	// Mkdir is subject to the umask.
	if err := os.Chmod(folder, 0o755); err != nil {
		return fmt.Errorf("open the volume's folder: %w", err)
	}
	return nil
}

// copyOf copies a volume's folder with owners, modes, links and times. What is written
// during the copy may or may not be in it.
func (f Folders) copyOf(ctx context.Context, folder string, from *corev1.PersistentVolume) error {
	if !f.made(from) {
		return fmt.Errorf("volume %s was not created by this StorageClass and cannot be copied", from.Name)
	}
	if _, err := os.Stat(folder); err == nil {
		return nil
	}
	// A partial copy must never look like a complete one.
	unfinished := folder + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("remove an unfinished copy: %w", err)
	}
	out, err := exec.CommandContext(ctx, "cp", "--archive", "--reflink=auto", "--no-target-directory", from.Spec.Local.Path, unfinished).CombinedOutput()
	if err != nil {
		// The caller may not retry.
		return errors.Join(fmt.Errorf("copy volume %s: %w: %s", from.Name, err, strings.TrimSpace(string(out))), os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, folder); err != nil {
		return fmt.Errorf("put the copy of volume %s in place: %w", from.Name, err)
	}
	return nil
}

// Delete removes the folder of a released volume, with everything in it.
func (f Folders) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if !f.made(pv) {
		return &controller.IgnoredError{Reason: fmt.Sprintf("volume %s is not a folder below %s", pv.Name, f.Root)}
	}
	if err := os.RemoveAll(pv.Spec.Local.Path); err != nil {
		return fmt.Errorf("remove the folder of volume %s: %w", pv.Name, err)
	}
	return nil
}

func (f Folders) made(pv *corev1.PersistentVolume) bool {
	return pv.Spec.Local != nil && filepath.Dir(pv.Spec.Local.Path) == filepath.Clean(f.Root)
}

func (f Folders) folder(namespace, claim, volume string) string {
	return filepath.Join(f.Root, fmt.Sprintf("%s_%s_%s", namespace, claim, volume))
}
