package devserver

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/desired"
)

// Names of the indexes by which an event finds its DevServers.
const (
	indexFlavor = "flavor"
	indexClaim  = "claim"
)

// Workers is how many DevServers are reconciled at a time. A pass waits for
// the API server most of its time.
const Workers = 16

// CacheObjects is what the watch cache holds of each kind: of pods, Services
// and StatefulSets only those of DevServers, of pods only what became of them,
// of nodes only their addresses.
func CacheObjects() map[client.Object]cache.ByObject {
	ours := labels.SelectorFromSet(labels.Set{desired.LabelManagedBy: desired.ManagedBy})
	return map[client.Object]cache.ByObject{
		&corev1.Pod{}:         {Label: ours, Transform: onlyOutcome},
		&corev1.Service{}:     {Label: ours},
		&appsv1.StatefulSet{}: {Label: ours},
		&corev1.Node{}:        {Transform: onlyAddresses},
	}
}

// onlyOutcome drops what a pod was asked to be, which is in its StatefulSet and
// the greatest part of it, and keeps what became of it.
func onlyOutcome(object any) (any, error) {
	if pod, ok := object.(*corev1.Pod); ok {
		pod.ManagedFields = nil
		pod.Spec = corev1.PodSpec{NodeName: pod.Spec.NodeName}
	}
	return object, nil
}

func onlyAddresses(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Labels, node.Annotations = nil, nil, nil
		node.Spec = corev1.NodeSpec{}
		node.Status = corev1.NodeStatus{Addresses: node.Status.Addresses}
	}
	return object, nil
}

// SetupWithManager registers the controller, its indexes and its watches.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	indexes := map[string]client.IndexerFunc{indexFlavor: flavorOf, indexClaim: claimsOf}
	for name, extract := range indexes {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &devv1.DevServer{}, name, extract); err != nil {
			return fmt.Errorf("indexing DevServers by %s: %w", name, err)
		}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("devserver").
		For(&devv1.DevServer{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.StatefulSet{}, builder.WithPredicates(r.forgetDeleted())).
		Owns(&corev1.Service{}, builder.WithPredicates(r.forgetDeleted())).
		Watches(&corev1.Pod{}, handler.EnqueueRequestsFromMapFunc(instanceOf)).
		Watches(&devv1.DevServerFlavor{}, handler.EnqueueRequestsFromMapFunc(r.usersOfFlavor),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.usersOfClaim),
			builder.WithPredicates(comesOrGoes())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: Workers,
			// A cause that makes no event, such as a raised quota, is noticed
			// within a minute.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		}).
		Complete(r)
}

func flavorOf(object client.Object) []string {
	d := object.(*devv1.DevServer) //nolint:forcetypeassert // the index is on DevServers
	return []string{d.Spec.Flavor}
}

func claimsOf(object client.Object) []string {
	d := object.(*devv1.DevServer) //nolint:forcetypeassert // the index is on DevServers
	claims := []string{desired.HomeClaimName(d.Name)}
	if d.Spec.SharedVolumeClaimName != "" {
		claims = append(claims, d.Spec.SharedVolumeClaimName)
	}
	return claims
}

// instanceOf finds a pod's DevServer by label: the pod's own controller is the
// StatefulSet.
func instanceOf(_ context.Context, pod client.Object) []reconcile.Request {
	name := pod.GetLabels()[desired.LabelInstance]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}}}
}

// usersOfFlavor are the DevServers that name the flavor, and those that name
// none: the flavor may become, or cease to be, the default.
func (r *Reconciler) usersOfFlavor(ctx context.Context, flavor client.Object) []reconcile.Request {
	return append(
		r.indexed(ctx, client.MatchingFields{indexFlavor: flavor.GetName()}),
		r.indexed(ctx, client.MatchingFields{indexFlavor: ""})...)
}

func (r *Reconciler) usersOfClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	return r.indexed(ctx, client.MatchingFields{indexClaim: claim.GetName()}, client.InNamespace(claim.GetNamespace()))
}

func (r *Reconciler) indexed(ctx context.Context, opts ...client.ListOption) []reconcile.Request {
	list := &devv1.DevServerList{}
	if err := r.Client.List(ctx, list, append(opts, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the DevServers that an event concerns")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// comesOrGoes passes what makes a claim found or not found. Its updates,
// which are many, change neither.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero() ||
				e.ObjectOld.GetAnnotations()[desired.AnnotationOwner] != e.ObjectNew.GetAnnotations()[desired.AnnotationOwner]
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

func (r *Reconciler) forgetDeleted() predicate.Predicate {
	return predicate.Funcs{
		DeleteFunc: func(e event.DeleteEvent) bool {
			r.Applier.Forget(e.Object.GetUID())
			return true
		},
	}
}
