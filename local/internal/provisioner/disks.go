package provisioner

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"devserver.io/devserver/local/internal/disk"
)

// Disks provisions volumes with an enforced size on the node called Node. The kubelet
// treats them like a cloud's block storage: it formats, mounts and grows the file
// system.
type Disks struct {
	Store  *disk.Store
	Node   string
	Client kubernetes.Interface
}

// Provision creates the claim's volume: blank, or a copy of another claim's.
func (d Disks) Provision(ctx context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, error) {
	claim := opts.PVC
	if block(claim) {
		return nil, errors.New("block volumes are not supported: this StorageClass provides file systems")
	}
	if modes := claim.Spec.AccessModes; !slices.Equal(modes, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}) {
		return nil, fmt.Errorf("this StorageClass supports only ReadWriteOnce, like block storage, and not %v: the StorageClass local supports every mode", modes)
	}
	from, err := source(ctx, d.Client, claim)
	if err != nil {
		return nil, err
	}
	copyOf := ""
	if from != nil {
		var ok bool
		if copyOf, ok = d.Store.Name(from.Spec.Local.Path); !ok {
			return nil, fmt.Errorf("volume %s was not created by this StorageClass and cannot be copied", from.Name)
		}
	}
	size := rounded(requested(claim))
	if err := d.Store.Make(ctx, opts.PVName, size.Value(), copyOf); err != nil {
		return nil, err
	}
	format := disk.FileSystem
	return volume(opts, d.Node, size, corev1.LocalVolumeSource{Path: d.Store.Device(opts.PVName), FSType: &format}), nil
}

// Delete removes a released volume once the kubelet has unmounted it.
func (d Disks) Delete(_ context.Context, pv *corev1.PersistentVolume) error {
	name, err := d.name(pv)
	if err != nil {
		return err
	}
	err = d.Store.Remove(name)
	if errors.Is(err, disk.ErrInUse) {
		return &controller.VolumeInUseError{Reason: "it is still mounted"}
	}
	return err
}

// name is the store's name of a volume that it created.
func (d Disks) name(pv *corev1.PersistentVolume) (string, error) {
	if pv.Spec.Local != nil {
		if name, ok := d.Store.Name(pv.Spec.Local.Path); ok {
			return name, nil
		}
	}
	return "", &controller.IgnoredError{Reason: fmt.Sprintf("volume %s is not a disk of this cluster", pv.Name)}
}

func rounded(size resource.Quantity) resource.Quantity {
	return *resource.NewQuantity(disk.Round(size.Value()), resource.BinarySI)
}
