package devserver

import (
	"context"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
)

// Workers is how many DevServers are reconciled at the same time. Most of the
// time a worker waits for the API server.
const Workers = 16

// SetupWithManager registers the controller, its indexes and its watches.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	if err := watchcache.AddIndexes(ctx, mgr.GetFieldIndexer()); err != nil {
		return err
	}
	c := ctrl.NewControllerManagedBy(mgr).
		Named("devserver").
		For(&devv1.DevServer{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&appsv1.StatefulSet{}, builder.WithPredicates(r.Applier.ForgetDeleted(), statefulSetChanged())).
		Owns(&corev1.Service{}, builder.WithPredicates(r.Applier.ForgetDeleted(), exceptCreate())).
		Owns(&coordinationv1.Lease{}).
		WatchesRawSource(source.TypedChannel(r.Poller.News(), &handler.TypedEnqueueRequestForObject[*devv1.DevServer]{})).
		WatchesRawSource(source.TypedChannel(r.Poller.Answers(), answerHandler())).
		WatchesRawSource(r.gatewayChanges()).
		Watches(&corev1.Pod{}, podHandler(r.memory.podDeleted)).
		Watches(&devv1.DevServerFlavor{}, handler.EnqueueRequestsFromMapFunc(r.serversOfFlavor),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&devv1.DevServerUser{}, handler.EnqueueRequestsFromMapFunc(r.serversOfUser),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// Another DevServer waits if it names the home of this one.
		Watches(&devv1.DevServer{}, handler.EnqueueRequestsFromMapFunc(r.serversOfHome),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.PersistentVolumeClaim{}, handler.EnqueueRequestsFromMapFunc(r.serversOfClaim),
			builder.WithPredicates(claimChanged())).
		Watches(&corev1.ResourceQuota{}, handler.EnqueueRequestsFromMapFunc(r.serversOfNamespace),
			builder.WithPredicates(quotaChanged())).
		Watches(&corev1.LimitRange{}, handler.EnqueueRequestsFromMapFunc(r.serversOfNamespace)).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: Workers,
			// Some changes that allow a retry to succeed come without an event,
			// such as a larger quota: retry at least once a minute.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		})
	if r.Config.GatewayNamespace != "" {
		c.Owns(&networkingv1.NetworkPolicy{}, builder.WithPredicates(r.Applier.ForgetDeleted(), exceptCreate()))
	}
	return c.Complete(r)
}

// serversOfFlavor returns the DevServers that name the flavor, and those that
// name none: the flavor may become, or stop being, the default.
func (r *Reconciler) serversOfFlavor(ctx context.Context, flavor client.Object) []reconcile.Request {
	return append(
		r.servers(ctx, client.MatchingFields{watchcache.FieldFlavor: flavor.GetName()}),
		r.servers(ctx, client.MatchingFields{watchcache.FieldFlavor: ""})...)
}

// serversOfUser returns the DevServers with the user's owner.
func (r *Reconciler) serversOfUser(ctx context.Context, user client.Object) []reconcile.Request {
	return r.servers(ctx, client.MatchingFields{watchcache.FieldOwner: user.(*devv1.DevServerUser).Spec.Owner}) //nolint:forcetypeassert // its watch is of DevServerUsers
}

// serversOfClaim returns the DevServers that name the claim, and those whose
// flavor does.
func (r *Reconciler) serversOfClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	inNamespace, named := client.InNamespace(claim.GetNamespace()), client.MatchingFields{watchcache.FieldClaim: claim.GetName()}
	requests := r.servers(ctx, inNamespace, named)
	flavors := &devv1.DevServerFlavorList{}
	if err := watchcache.List(ctx, r.Client, flavors, named); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Finding the flavors that name a claim")
		return requests
	}
	for i := range flavors.Items {
		for _, name := range []string{flavors.Items[i].Name, ""} {
			requests = append(requests, r.servers(ctx, inNamespace, client.MatchingFields{watchcache.FieldFlavor: name})...)
		}
	}
	return requests
}

// serversOfNamespace returns the DevServers in the namespace of the object.
func (r *Reconciler) serversOfNamespace(ctx context.Context, object client.Object) []reconcile.Request {
	return r.servers(ctx, client.InNamespace(object.GetNamespace()))
}

// serversOfHome returns the other DevServers that name the home of a DevServer.
func (r *Reconciler) serversOfHome(ctx context.Context, server client.Object) []reconcile.Request {
	home := objects.HomeClaimOf(server.(*devv1.DevServer)) //nolint:forcetypeassert // its watch is of DevServers
	if home == "" {
		return nil
	}
	requests := r.servers(ctx, client.InNamespace(server.GetNamespace()), client.MatchingFields{watchcache.FieldClaim: home})
	return slices.DeleteFunc(requests, func(request reconcile.Request) bool { return request.Name == server.GetName() })
}

// servers returns a request for each DevServer that the options select.
func (r *Reconciler) servers(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	list := &devv1.DevServerList{}
	if err := watchcache.List(ctx, r.Client, list, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Finding the DevServers that an event is about")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// urgent passes come before those of many new DevServers.
const urgent = 1

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// enqueue makes a pass over a server due, with a priority unless it is nil.
func enqueue(q queue, server types.NamespacedName, priority *int) {
	request := reconcile.Request{NamespacedName: server}
	if pq, ok := q.(priorityqueue.PriorityQueue[reconcile.Request]); ok && priority != nil {
		pq.AddWithOpts(priorityqueue.AddOpts{Priority: priority}, request)
		return
	}
	q.Add(request)
}

// answerHandler handles answers of agents to what a pass asked. They are urgent: an agent
// that agreed to a drain refuses sessions until the next pass.
func answerHandler() handler.TypedEventHandler[*devv1.DevServer, reconcile.Request] {
	return handler.TypedFuncs[*devv1.DevServer, reconcile.Request]{
		GenericFunc: func(_ context.Context, e event.TypedGenericEvent[*devv1.DevServer], q queue) {
			enqueue(q, client.ObjectKeyFromObject(e.Object), new(urgent))
		},
	}
}

// podHandler finds a pod's DevServer by label: the pod's controller is the
// StatefulSet. A pod that becomes Ready, or stops being Ready, is urgent: a user
// may be waiting to log in, and the pass is short. deleted is called with each
// pod that was deleted.
func podHandler(deleted func(types.NamespacedName, *corev1.Pod)) handler.EventHandler {
	add := func(q queue, pod client.Object, priority *int) {
		if name := pod.GetLabels()[objects.LabelInstance]; name != "" {
			enqueue(q, types.NamespacedName{Namespace: pod.GetNamespace(), Name: name}, priority)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { add(q, e.Object, nil) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) {
			pod, ok := e.Object.(*corev1.Pod)
			if name := e.Object.GetLabels()[objects.LabelInstance]; ok && name != "" {
				deleted(types.NamespacedName{Namespace: pod.Namespace, Name: name}, pod)
			}
			add(q, e.Object, nil)
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			before, okBefore := e.ObjectOld.(*corev1.Pod)
			after, okAfter := e.ObjectNew.(*corev1.Pod)
			if okBefore && okAfter && status.PodReady(before) != status.PodReady(after) {
				add(q, after, new(urgent))
				return
			}
			add(q, e.ObjectNew, nil)
		},
	}
}
