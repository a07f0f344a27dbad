// Package watchcache defines the operator's watch cache: which objects it holds
// (Objects), what it drops of each before storing it (the transforms), and by
// which fields objects can be listed (AddIndexes).
//
// The cache decides how much memory the operator uses, which grows with every
// pod, node and claim of the cluster.
package watchcache

import (
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
)

// Objects limits what the cache holds of each kind. A kind that is not listed
// is held completely, except for managed fields.
func Objects() map[client.Object]cache.ByObject {
	ours := labels.SelectorFromSet(labels.Set{objects.LabelManagedBy: objects.ManagedBy})
	return map[client.Object]cache.ByObject{
		&corev1.Pod{}:                   {Transform: transform(stripPod)},
		&corev1.Node{}:                  {Transform: transform(capacity.StripNode)},
		&corev1.PersistentVolumeClaim{}: {Transform: transform(stripClaim)},
		&corev1.ResourceQuota{}:         {Transform: transform(stripQuota)},
		&corev1.LimitRange{}:            {Transform: transform(stripLimitRange)},
		&corev1.Service{}:               {Label: ours},
		&appsv1.StatefulSet{}:           {Label: ours, Transform: transform(stripStatefulSet)},
		// Excludes the Leases of nodes and leader election, which change every few seconds.
		&coordinationv1.Lease{}: {Label: ours},
		// Watched only if servers accept SSH only from the gateway.
		&networkingv1.NetworkPolicy{}: {Label: ours},

		&corev1.Namespace{}:   {Label: ours},
		&rbacv1.RoleBinding{}: {Label: ours},

		// Shows whether Karpenter is installed. Other definitions are not read.
		CustomResourceDefinition(): {Field: fields.OneTermEqualSelector("metadata.name", NodePoolCRD)},
	}
}

// NodePoolCRD is the name of the definition of Karpenter's NodePools.
const NodePoolCRD = "nodepools.karpenter.sh"

// CustomResourceDefinition returns an empty definition, of which only the
// metadata is read.
func CustomResourceDefinition() *metav1.PartialObjectMetadata {
	d := &metav1.PartialObjectMetadata{}
	d.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	return d
}
