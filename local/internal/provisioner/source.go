package provisioner

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// source finds the volume that a claim is to be a copy of, or returns nil. The
// rules are those of CSI drivers, so that what works here works elsewhere.
func source(ctx context.Context, client kubernetes.Interface, claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolume, error) {
	name, err := sourceName(claim)
	if err != nil || name == "" {
		return nil, err
	}
	from, err := client.CoreV1().PersistentVolumeClaims(claim.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the claim %s, which this one is to be a copy of, does not exist", name)
	}
	if err != nil {
		return nil, fmt.Errorf("get the claim %s to copy: %w", name, err)
	}
	if from.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("the claim %s has no volume to copy yet: it gets one with its first pod", name)
	}
	if of, to := class(from), class(claim); of != to {
		return nil, fmt.Errorf("the claim %s is of StorageClass %q and its copy is to be of %q: a copy is of the same class", name, of, to)
	}
	has, wants := from.Status.Capacity[corev1.ResourceStorage], requested(claim)
	if wants.Cmp(has) < 0 {
		return nil, fmt.Errorf("the claim %s has %s: a copy of %s would be too small", name, has.String(), wants.String())
	}
	pv, err := client.CoreV1().PersistentVolumes().Get(ctx, from.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get the volume of the claim %s to copy: %w", name, err)
	}
	if pv.Spec.Local == nil {
		return nil, fmt.Errorf("the claim %s has a volume that was not made here: it cannot be copied", name)
	}
	return pv, nil
}

// sourceName is the claim to copy. The API server fills dataSource and
// dataSourceRef from each other, if it can.
func sourceName(claim *corev1.PersistentVolumeClaim) (string, error) {
	var kind, name string
	switch ref, old := claim.Spec.DataSourceRef, claim.Spec.DataSource; {
	case ref != nil && ref.Namespace != nil && *ref.Namespace != claim.Namespace:
		return "", errors.New("a claim of another namespace cannot be copied: name one of this namespace")
	case ref != nil:
		kind, name = ref.Kind, ref.Name
	case old != nil:
		kind, name = old.Kind, old.Name
	default:
		return "", nil
	}
	if kind != "PersistentVolumeClaim" {
		return "", fmt.Errorf("a copy of a %s is not supported by the local cluster: name a PersistentVolumeClaim as the data source", kind)
	}
	return name, nil
}

func class(claim *corev1.PersistentVolumeClaim) string {
	if claim.Spec.StorageClassName == nil {
		return ""
	}
	return *claim.Spec.StorageClassName
}
