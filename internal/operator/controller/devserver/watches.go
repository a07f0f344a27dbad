package devserver

import (
	"context"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
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
	"sigs.k8s.io/controller-runtime/pkg/source"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// Workers is how many DevServers are reconciled at a time. A pass waits for
// the API server most of its time.
const Workers = 16

// CacheObjects is what the watch cache holds of each kind: of Services and
// StatefulSets only those of DevServers, of pods and nodes what the room on
// nodes is computed from, of a DevServer's pod what became of it as well, and of
// claims whose they are and how large.
func CacheObjects() map[client.Object]cache.ByObject {
	ours := labels.SelectorFromSet(labels.Set{objects.LabelManagedBy: objects.ManagedBy})
	equals := &equals{}
	return map[client.Object]cache.ByObject{
		&devv1.DevServer{}:    {Transform: equals.stripDevServer},
		&corev1.Pod{}:         {Transform: equals.stripPod},
		&corev1.Service{}:     {Label: ours, Transform: equals.stripService},
		&appsv1.StatefulSet{}: {Label: ours, Transform: equals.stripSet},
		// Not those of nodes and leaders, which change all the time.
		&coordinationv1.Lease{}: {Label: ours},
		// Watched only where the operator makes some.
		&networkingv1.NetworkPolicy{}: {Label: ours},
		&corev1.Node{}:                {Transform: stripNode},

		&corev1.PersistentVolumeClaim{}: {Transform: equals.stripClaim},
	}
}

// SetupWithManager registers the controller, its indexes and its watches.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	var err error
	if r.Cached, err = cached(ctx, mgr.GetCache()); err != nil {
		return err
	}
	c := ctrl.NewControllerManagedBy(mgr).
		Named("devserver").
		For(&devv1.DevServer{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&appsv1.StatefulSet{}, handler.EnqueueRequestsFromMapFunc(controllerOf), builder.WithPredicates(r.Applier.ForgetDeleted(), setChanged())).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(controllerOf), builder.WithPredicates(r.Applier.ForgetDeleted(), madeByUs())).
		Watches(&coordinationv1.Lease{}, handler.EnqueueRequestsFromMapFunc(controllerOf)).
		WatchesRawSource(source.TypedChannel(r.Poller.News(), &handler.TypedEnqueueRequestForObject[*devv1.DevServer]{})).
		WatchesRawSource(r.gatewayNews()).
		Watches(&corev1.Pod{}, podHandler(r.memory.podDeleted)).
		Watches(&devv1.DevServerFlavor{}, handler.EnqueueRequestsFromMapFunc(r.usersOfFlavor),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&devv1.DevServerUser{}, handler.EnqueueRequestsFromMapFunc(r.serversOfUser),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.usersOfClaim),
			builder.WithPredicates(claimChanged())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: Workers,
			// A cause that makes no event, such as a raised quota, is noticed
			// within a minute.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		})
	if r.Config.GatewayNamespace != "" {
		c.Watches(&networkingv1.NetworkPolicy{}, handler.EnqueueRequestsFromMapFunc(controllerOf), builder.WithPredicates(r.Applier.ForgetDeleted(), madeByUs()))
	}
	return c.Complete(r)
}

// usersOfFlavor are the DevServers that name the flavor, and those that name
// none: the flavor may become, or cease to be, the default.
func (r *Reconciler) usersOfFlavor(ctx context.Context, flavor client.Object) []reconcile.Request {
	return append(
		r.indexed(ctx, indexFlavor, flavor.GetName()),
		r.indexed(ctx, indexFlavor, "")...)
}

func (r *Reconciler) serversOfUser(ctx context.Context, user client.Object) []reconcile.Request {
	return r.indexed(ctx, indexOwner, user.(*devv1.DevServerUser).Spec.Owner) //nolint:forcetypeassert // its watch is of DevServerUsers
}

// usersOfClaim are the DevServers that name the claim, and those whose flavor
// does.
func (r *Reconciler) usersOfClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	requests := r.indexed(ctx, indexClaim, claimIn(claim.GetNamespace(), claim.GetName()))
	flavors, err := r.Cached.Flavors.By(indexClaim, claim.GetName())
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Finding the flavors that a claim concerns")
		return requests
	}
	for _, flavor := range flavors {
		for _, request := range r.usersOfFlavor(ctx, flavor) {
			if request.Namespace == claim.GetNamespace() {
				requests = append(requests, request)
			}
		}
	}
	return requests
}

func (r *Reconciler) indexed(ctx context.Context, index, value string) []reconcile.Request {
	servers, err := r.Cached.Servers.By(index, value)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Finding the DevServers that an event concerns")
		return nil
	}
	return requestsFor(servers)
}

func requestsFor(servers []*devv1.DevServer) []reconcile.Request {
	requests := make([]reconcile.Request, 0, len(servers))
	for _, d := range servers {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(d)})
	}
	return requests
}

// claimChanged passes what makes a claim found or not found, whose it is, and
// how large it is. Its other updates, which are many, change nothing here.
func claimChanged() predicate.Predicate {
	return predicate.Funcs{
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, okBefore := e.ObjectOld.(*corev1.PersistentVolumeClaim)
			after, okAfter := e.ObjectNew.(*corev1.PersistentVolumeClaim)
			if !okBefore || !okAfter {
				return false
			}
			return before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
				before.Annotations[objects.AnnotationOwner] != after.Annotations[objects.AnnotationOwner] ||
				!equality.Semantic.DeepEqual(before.OwnerReferences, after.OwnerReferences) ||
				before.Status.Phase != after.Status.Phase ||
				resized(before, after)
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// resized tells of a volume that was there before.
func resized(before, after *corev1.PersistentVolumeClaim) bool {
	return before.Status.Phase == corev1.ClaimBound && (!equality.Semantic.DeepEqual(before.Spec.Resources, after.Spec.Resources) ||
		!equality.Semantic.DeepEqual(before.Status, after.Status))
}
