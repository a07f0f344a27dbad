package devserver

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/watchcache"
)

// exceptCreate drops the event that an object was created: the pass that created it has
// seen it already.
func exceptCreate() predicate.Funcs {
	return predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }}
}

// statefulSetChanged passes edits of a StatefulSet, and that its controller has
// seen the newest template. It drops changes in the number of pods and of Ready
// pods: the events of the pods themselves come earlier.
func statefulSetChanged() predicate.Predicate {
	p := watchcache.Updates(func(before, after *appsv1.StatefulSet) bool {
		return before.Generation != after.Generation ||
			before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			before.Status.ObservedGeneration != after.Status.ObservedGeneration ||
			before.Status.UpdateRevision != after.Status.UpdateRevision ||
			!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
			!equality.Semantic.DeepEqual(before.Annotations, after.Annotations) ||
			!equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences)
	})
	p.CreateFunc = exceptCreate().CreateFunc
	return p
}

// claimChanged passes what changes whether a claim can be used, its owner, and
// its size. Other updates, which are frequent, concern no DevServer.
func claimChanged() predicate.Predicate {
	return watchcache.Updates(func(before, after *corev1.PersistentVolumeClaim) bool {
		return before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			before.Annotations[objects.AnnotationOwner] != after.Annotations[objects.AnnotationOwner] ||
			!equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences) ||
			before.Status.Phase != after.Status.Phase ||
			resized(before, after)
	})
}

// quotaChanged passes edits of a quota. It drops changes of the amounts in use, which
// come with every pod.
func quotaChanged() predicate.Predicate {
	return watchcache.Updates(func(before, after *corev1.ResourceQuota) bool {
		return !equality.Semantic.DeepEqual(before.Spec, after.Spec)
	})
}

// resized reports whether a bound claim requests, or has, another size.
func resized(before, after *corev1.PersistentVolumeClaim) bool {
	return before.Status.Phase == corev1.ClaimBound && (!equality.Semantic.DeepEqual(before.Spec.Resources, after.Spec.Resources) ||
		!equality.Semantic.DeepEqual(before.Status, after.Status))
}
