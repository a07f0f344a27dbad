package gateway

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"devserver.io/devserver/internal/operator/watchcache"
)

// SetupWithManager registers the controller and its watches. The manager's own
// cache has only the Services of DevServers, so the gateway's Service has a
// cache of its own.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	services, err := cache.New(mgr.GetConfig(), cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{&corev1.Service{}: {
			Namespaces: map[string]cache.Config{r.Config.Namespace: {}},
			Field:      fields.OneTermEqualSelector("metadata.name", r.Config.Service),
		}},
	})
	if err != nil {
		return fmt.Errorf("preparing to watch the gateway's Service: %w", err)
	}
	if err := mgr.Add(services); err != nil {
		return fmt.Errorf("adding the watch of the gateway's Service: %w", err)
	}
	r.Services = services
	return ctrl.NewControllerManagedBy(mgr).
		Named("gateway").
		WatchesRawSource(source.Func(start)).
		WatchesRawSource(source.Kind[client.Object](services, &corev1.Service{}, handler.EnqueueRequestsFromMapFunc(always))).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(always), builder.WithPredicates(nodeMoved())).
		WithOptions(controller.Options{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, again),
		}).
		Complete(r)
}

// everything is the only request.
var everything = reconcile.Request{}

func always(context.Context, client.Object) []reconcile.Request {
	return []reconcile.Request{everything}
}

// start triggers the first pass, even if there is no Service yet: the gateway's
// pods wait for their host key.
func start(_ context.Context, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
	queue.Add(everything)
	return nil
}

// nodeMoved passes only events that may change the address of a node port.
func nodeMoved() predicate.Predicate {
	return watchcache.Updates(func(before, after *corev1.Node) bool {
		return before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(before.Status.Addresses, after.Status.Addresses) ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	})
}
