package user

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/watchcache"
)

// SetupWithManager registers the controller and its watches.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("devserveruser").
		For(&devv1.DevServerUser{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&rbacv1.RoleBinding{}, builder.WithPredicates(r.Applier.ForgetDeleted())).
		Owns(&corev1.LimitRange{}, builder.WithPredicates(r.Applier.ForgetDeleted())).
		Owns(&corev1.ResourceQuota{}, builder.WithPredicates(r.Applier.ForgetDeleted(), notOnlyVersion())).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.usersOfNamespace),
			builder.WithPredicates(r.Applier.ForgetDeleted())).
		Watches(&devv1.DevServerUser{}, handler.EnqueueRequestsFromMapFunc(r.rivals),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			// A cause without an event, such as a role that is created, is
			// noticed within a minute.
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](50*time.Millisecond, time.Minute),
		}).
		Complete(r)
}

func (r *Reconciler) usersOfNamespace(ctx context.Context, ns client.Object) []reconcile.Request {
	return r.requests(ctx, func(u *devv1.DevServerUser) bool { return account.NamespaceName(u) == ns.GetName() })
}

// rivals are the DevServerUsers that conflict with the user, and can take
// their place once they are deleted.
func (r *Reconciler) rivals(ctx context.Context, object client.Object) []reconcile.Request {
	user, ok := object.(*devv1.DevServerUser)
	if !ok {
		return nil
	}
	return r.requests(ctx, func(u *devv1.DevServerUser) bool { return u.UID != user.UID && account.Same(u, user) })
}

func (r *Reconciler) requests(ctx context.Context, concerned func(*devv1.DevServerUser) bool) []reconcile.Request {
	list := &devv1.DevServerUserList{}
	if err := watchcache.List(ctx, r.Client, list); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the DevServerUsers that an event concerns")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if u := &list.Items[i]; concerned(u) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(u)})
		}
	}
	return requests
}

// notOnlyVersion drops updates that change nothing of what the cache keeps: a
// quota's use changes with every pod.
func notOnlyVersion() predicate.Predicate {
	return watchcache.Updates(func(before, after *corev1.ResourceQuota) bool {
		before = before.DeepCopy()
		before.ResourceVersion = after.ResourceVersion
		return !equality.Semantic.DeepEqual(before, after)
	})
}
