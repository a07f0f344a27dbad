package flavor

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/watchcache"
)

const (
	// settle is how long a pass waits after an event, so that it covers later ones too.
	settle = time.Second
	// interval is the minimum time between two passes that events start. While servers are
	// being created, events never stop.
	interval = 5 * time.Second
)

// everything is the only request, because a pass covers all flavors.
var everything = reconcile.Request{}

// SetupWithManager registers the controller and its watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("flavor").
		Watches(&devv1.DevServerFlavor{}, handler.EnqueueRequestsFromMapFunc(atOnce), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&devv1.DevServer{}, r.gather(), builder.WithPredicates(flavorChanged())).
		Watches(&corev1.Node{}, r.gather(), builder.WithPredicates(watchcache.Updates(capacity.NodeChanged))).
		Watches(&corev1.Pod{}, r.gather(), builder.WithPredicates(podChanged())).
		Watches(&nodev1.RuntimeClass{}, r.gather()).
		WatchesMetadata(watchcache.CustomResourceDefinition(), r.gather()).
		WithOptions(controller.Options{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](settle, time.Minute),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	k := &karpenter{cache: mgr.GetCache()}
	k.watch = func() error {
		return c.Watch(source.Kind[client.Object](k.cache, nodePool(), r.gather(), nodePoolChanged()))
	}
	r.NodePools = k.nodePools
	return nil
}

// atOnce starts a pass without delay, for edits of a flavor.
func atOnce(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{everything}
}

// gather starts one pass for all events within an interval.
func (r *Reconciler) gather() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(q queue) {
		after := settle
		if next := r.next.Load(); next != nil {
			after = max(after, -r.Clock.Since(*next))
		}
		q.AddAfter(everything, after)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queue) { add(q) },
		UpdateFunc: func(_ context.Context, _ event.UpdateEvent, q queue) { add(q) },
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { add(q) },
	}
}

func podChanged() predicate.Predicate {
	p := watchcache.Updates(capacity.PodChanged)
	p.CreateFunc = func(e event.CreateEvent) bool {
		pod, ok := e.Object.(*corev1.Pod)
		return ok && capacity.PodMatters(pod)
	}
	p.DeleteFunc = func(e event.DeleteEvent) bool {
		pod, ok := e.Object.(*corev1.Pod)
		return ok && capacity.PodMatters(pod)
	}
	return p
}

// flavorChanged passes changes of a DevServer's flavor. It drops creations, because a
// DevServer counts only when it has a pod, and the pod has an event of its own.
func flavorChanged() predicate.Predicate {
	p := watchcache.Updates(func(before, after *devv1.DevServer) bool {
		return before.Status.Flavor != after.Status.Flavor || before.Spec.Flavor != after.Spec.Flavor
	})
	p.CreateFunc = func(event.CreateEvent) bool { return false }
	return p
}

func nodePoolChanged() predicate.Predicate {
	return watchcache.Updates(func(before, after *unstructured.Unstructured) bool {
		return !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) ||
			!reflect.DeepEqual(before.Object["status"], after.Object["status"]) ||
			before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero()
	})
}
