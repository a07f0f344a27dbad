// Package provisioner creates the volumes of the local cluster's StorageClasses. Both
// create PersistentVolumes of type local, not hostPath: the kubelet applies fsGroup to
// local volumes only, and without it the user could not write to the home directory.
package provisioner

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// The names of the provisioners in StorageClasses.
const (
	FoldersName = "local.devserver.io/folder"
	DisksName   = "local.devserver.io/sized"
)

// Class provisions the volumes of one StorageClass.
type Class interface {
	Provision(ctx context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, error)
	Delete(ctx context.Context, pv *corev1.PersistentVolume) error
}

// Classes calls the provisioner that a volume's StorageClass names.
type Classes map[string]Class

var _ controller.Provisioner = Classes{}

// Provision creates a volume.
func (c Classes) Provision(ctx context.Context, opts controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	p, ok := c[opts.StorageClass.Provisioner]
	if !ok {
		return nil, controller.ProvisioningFinished, &controller.IgnoredError{Reason: "provisioner " + opts.StorageClass.Provisioner + " is another one"}
	}
	pv, err := p.Provision(ctx, opts)
	return pv, controller.ProvisioningFinished, err
}

// Delete removes a volume.
func (c Classes) Delete(ctx context.Context, pv *corev1.PersistentVolume) error {
	name := pv.Annotations["pv.kubernetes.io/provisioned-by"]
	p, ok := c[name]
	if !ok {
		return &controller.IgnoredError{Reason: fmt.Sprintf("volume %s belongs to provisioner %q", pv.Name, name)}
	}
	return p.Delete(ctx, pv)
}

// volume returns a PersistentVolume on a node.
func volume(opts controller.ProvisionOptions, node string, size resource.Quantity, at corev1.LocalVolumeSource) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: opts.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *opts.StorageClass.ReclaimPolicy,
			AccessModes:                   opts.PVC.Spec.AccessModes,
			MountOptions:                  opts.StorageClass.MountOptions,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: size},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &at},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{
						Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
					}},
				}},
			}},
		},
	}
}

// block reports whether the claim requests a device instead of a file system.
func block(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock
}

func requested(claim *corev1.PersistentVolumeClaim) resource.Quantity {
	return claim.Spec.Resources.Requests[corev1.ResourceStorage]
}
