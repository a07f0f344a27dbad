package complete

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/spf13/cobra"

	"devserver.io/devserver/internal/cli/cluster"
	"devserver.io/devserver/internal/objects"
)

// StorageClasses proposes the cluster's StorageClasses.
func StorageClasses(flags *cluster.Flags) cobra.CompletionFunc {
	return names(flags, &storagev1.StorageClassList{}, nil)
}

// Homes proposes the home directories of the namespace, with their owners.
func Homes(flags *cluster.Flags) cobra.CompletionFunc {
	return names(flags, &corev1.PersistentVolumeClaimList{}, func(o client.Object) (owner string, ok bool) {
		owner = o.GetAnnotations()[objects.AnnotationOwner]
		return owner, owner != ""
	})
}
