// Package provisioner makes volumes for the local cluster's default
// StorageClass: a folder on the node per claim, handed out as a PersistentVolume
// of type local. Not hostPath, because the kubelet applies fsGroup to local
// volumes only, and a home that its uid cannot write to is no home.
package provisioner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is the provisioner that the StorageClass names.
const Name = "local.devserver.io/folder"

// Folders provisions one folder per claim below Root, on the node called Node.
type Folders struct {
	Root string
	Node string
}

var _ controller.Provisioner = Folders{}

// Provision makes the claim's folder, empty, owned by root and 0755, as a freshly
// formatted file system would be: an application that forgets its fsGroup fails
// here as it would fail on block storage.
func (f Folders) Provision(_ context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	claim := opts.PVC
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return nil, controller.ProvisioningFinished, errors.New("block volumes are not supported: this StorageClass hands out folders")
	}
	if claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil {
		return nil, controller.ProvisioningFinished, errors.New("data sources are not supported: this StorageClass hands out empty folders")
	}
	folder := f.folder(claim.Namespace, claim.Name, opts.PVName)
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make the volume's folder: %w", err)
	}
	// Mkdir is subject to the umask.
	if err := os.Chmod(folder, 0o755); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open the volume's folder: %w", err)
	}
	return f.volume(opts, folder), controller.ProvisioningFinished, nil
}

// Delete removes the folder of a released volume, with everything in it.
func (f Folders) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	if pv.Spec.Local == nil || filepath.Dir(pv.Spec.Local.Path) != filepath.Clean(f.Root) {
		return &controller.IgnoredError{Reason: fmt.Sprintf("volume %s is no folder below %s", pv.Name, f.Root)}
	}
	if err := os.RemoveAll(pv.Spec.Local.Path); err != nil {
		return fmt.Errorf("remove the folder of volume %s: %w", pv.Name, err)
	}
	return nil
}

func (f Folders) folder(namespace, claim, volume string) string {
	return filepath.Join(f.Root, fmt.Sprintf("%s_%s_%s", namespace, claim, volume))
}

func (f Folders) volume(opts controller.ProvisionOptions, folder string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: opts.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *opts.StorageClass.ReclaimPolicy,
			AccessModes:                   opts.PVC.Spec.AccessModes,
			MountOptions:                  opts.StorageClass.MountOptions,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: opts.PVC.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				Local: &corev1.LocalVolumeSource{Path: folder},
			},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{f.Node},
					}},
				}},
			}},
		},
	}
}
