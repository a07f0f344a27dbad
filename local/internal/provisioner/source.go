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

// source returns the volume that a claim should be a copy of, or nil. The rules are
// those of CSI drivers, so what works here works elsewhere.
func source(ctx context.Context, client kubernetes.Interface, claim *corev1.PersistentVolumeClaim) (*corev1.PersistentVolume, error) {
	name, err := sourceName(claim)
	if err != nil || name == "" {
		return nil, err
	}
	from, err := client.CoreV1().PersistentVolumeClaims(claim.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("the claim %s to copy does not exist", name)
	}
	if err != nil {
		return nil, fmt.Errorf("get the claim %s to copy: %w", name, err)
	}
	if from.Status.Phase != corev1.ClaimBound {
		return nil, fmt.Errorf("the claim %s has no volume to copy yet: it gets one when its first pod starts", name)
	}
	if of, to := class(from), class(claim); of != to {
		return nil, fmt.Errorf("the claim %s has StorageClass %q and its copy %q: they must be the same", name, of, to)
	}
	size, request := from.Status.Capacity[corev1.ResourceStorage], requested(claim)
	if request.Cmp(size) < 0 {
		return nil, fmt.Errorf("the claim %s has %s: a copy of %s would be too small", name, size.String(), request.String())
	}
	pv, err := client.CoreV1().PersistentVolumes().Get(ctx, from.Spec.VolumeName, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("get the volume of the claim %s to copy: %w", name, err)
	}
	if pv.Spec.Local == nil {
		return nil, fmt.Errorf("the claim %s has a volume of another provisioner, which cannot be copied", name)
	}
	return pv, nil
}

// sourceName is the name of the claim to copy. The API server fills dataSource and
// dataSourceRef from each other if it can.
func sourceName(claim *corev1.PersistentVolumeClaim) (string, error) {
	var kind, name string
	switch ref, old := claim.Spec.DataSourceRef, claim.Spec.DataSource; {
	case ref != nil && ref.Namespace != nil && *ref.Namespace != claim.Namespace:
		return "", errors.New("a claim in another namespace cannot be copied: name one in this namespace")
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
