package flavor

import (
	"context"
	"errors"
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
	// settle is how long the changes of a cluster are gathered.
	settle = time.Second
	// shortRest and restForEach decide how soon passes follow each other.
	shortRest   = 5 * time.Second
	restForEach = 2500 * time.Microsecond
)

// rest is how long a pass is followed by none, however much happens. Each looks
// at every server and pod there is, and while thousands are being made something
// happens all the time: where there are more of them, it is done less often, so
// that each costs the same.
func rest(o capacity.Observed) time.Duration {
	return max(shortRest, restForEach*time.Duration(len(o.Pods)+len(o.DevServers)))
}

// everything is the one request there is.
var everything = reconcile.Request{}

// SetupWithManager registers the controller and its watches.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	var errs [2]error
	r.Cached.Pods, errs[0] = watchcache.In(ctx, mgr.GetCache(), &corev1.Pod{}, nil)
	r.Cached.Servers, errs[1] = watchcache.In(ctx, mgr.GetCache(), &devv1.DevServer{}, nil)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("flavor").
		Watches(&devv1.DevServerFlavor{}, handler.EnqueueRequestsFromMapFunc(atOnce), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&devv1.DevServer{}, r.gather(), builder.WithPredicates(flavorChanged())).
		Watches(&corev1.Node{}, r.gather(), builder.WithPredicates(nodeChanged())).
		Watches(&corev1.Pod{}, r.gather(), builder.WithPredicates(podChanged())).
		Watches(&nodev1.RuntimeClass{}, r.gather()).
		WatchesMetadata(definition(), r.gather()).
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

// atOnce is for what a person did to a flavor.
func atOnce(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{everything}
}

// gather asks for one pass for all events of the time to come.
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
		CreateFunc:  func(_ context.Context, _ event.CreateEvent, q queue) { add(q) },
		UpdateFunc:  func(_ context.Context, _ event.UpdateEvent, q queue) { add(q) },
		DeleteFunc:  func(_ context.Context, _ event.DeleteEvent, q queue) { add(q) },
		GenericFunc: func(_ context.Context, _ event.GenericEvent, q queue) { add(q) },
	}
}

func nodeChanged() predicate.Predicate {
	return changes(capacity.NodeChanged)
}

func podChanged() predicate.Predicate {
	p := changes(capacity.PodChanged)
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

// flavorChanged: a server counts through its pod, whose coming and going is
// watched.
func flavorChanged() predicate.Predicate {
	p := changes(func(before, after *devv1.DevServer) bool {
		return before.Status.Flavor != after.Status.Flavor || before.Spec.Flavor != after.Spec.Flavor
	})
	p.CreateFunc = func(event.CreateEvent) bool { return false }
	return p
}

func nodePoolChanged() predicate.Predicate {
	return changes(func(before, after *unstructured.Unstructured) bool {
		return !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) ||
			!reflect.DeepEqual(before.Object["status"], after.Object["status"]) ||
			before.GetDeletionTimestamp().IsZero() != after.GetDeletionTimestamp().IsZero()
	})
}

// changes passes the updates that changed tells apart, and all else.
func changes[T client.Object](changed func(before, after T) bool) predicate.Funcs {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(T)
		after, is := e.ObjectNew.(T)
		return ok && is && changed(before, after)
	}}
}
