package homes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/cli/cluster"
)

// Growth is whether the volume of a home directory can grow to a size.
type Growth struct {
	// Refused is why it cannot; empty if it can.
	Refused string
	// Unchecked is why that is not known; empty if it is.
	Unchecked string
}

// GrowthOf tells whether the volume of a claim can grow to a size. One that does not exist
// will be created with the size, and one that is large enough need not grow.
func GrowthOf(ctx context.Context, c client.Reader, namespace, name string, want resource.Quantity) (Growth, error) {
	var claim corev1.PersistentVolumeClaim
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &claim)
	switch {
	case apierrors.IsNotFound(err):
		return Growth{}, nil
	case apierrors.IsForbidden(err):
		return Growth{Unchecked: "you may not read PersistentVolumeClaim " + name}, nil
	case err != nil:
		return Growth{}, cluster.Explain(err, fmt.Sprintf("reading PersistentVolumeClaim %s in namespace %s", name, namespace))
	}
	if capacity, ok := claim.Status.Capacity[corev1.ResourceStorage]; ok && capacity.Cmp(want) >= 0 {
		return Growth{}, nil
	}
	className := ptr.Deref(claim.Spec.StorageClassName, "")
	if className == "" {
		return Growth{Refused: fmt.Sprintf("its volume, PersistentVolumeClaim %s, has no StorageClass", name)}, nil
	}
	var class storagev1.StorageClass
	err = c.Get(ctx, client.ObjectKey{Name: className}, &class)
	switch {
	case apierrors.IsForbidden(err):
		return Growth{Unchecked: "you may not read StorageClasses"}, nil
	case apierrors.IsNotFound(err):
		return Growth{Refused: fmt.Sprintf("StorageClass %s of its volume no longer exists", className)}, nil
	case err != nil:
		return Growth{}, cluster.Explain(err, "reading StorageClass "+className)
	case !ptr.Deref(class.AllowVolumeExpansion, false):
		return Growth{Refused: fmt.Sprintf("StorageClass %s does not allow volumes to grow (allowVolumeExpansion)", className)}, nil
	}
	return Growth{}, nil
}
