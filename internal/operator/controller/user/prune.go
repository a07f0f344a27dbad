package user

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/account"
)

// prune deletes the limits and roles of the user that are no longer desired.
// It never deletes a namespace, nor anything that is not the user's.
func (r *Reconciler) prune(ctx context.Context, u *devv1.DevServerUser, want account.Objects) error {
	for _, list := range []client.ObjectList{&rbacv1.RoleBindingList{}, &corev1.ResourceQuotaList{}, &corev1.LimitRangeList{}} {
		if err := r.pruneKind(ctx, u, list, want); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) pruneKind(ctx context.Context, u *devv1.DevServerUser, list client.ObjectList, want account.Objects) error {
	namespace := account.NamespaceName(u)
	ours := client.MatchingLabels{objects.LabelManagedBy: objects.ManagedBy}
	if err := r.Client.List(ctx, list, client.InNamespace(namespace), ours); err != nil {
		return fmt.Errorf("listing %T in %s: %w", list, namespace, err)
	}
	return meta.EachListItem(list, func(item runtime.Object) error {
		object, ok := item.(client.Object)
		if !ok || !metav1.IsControlledBy(object, u) || !object.GetDeletionTimestamp().IsZero() {
			return nil
		}
		gvk, err := apiutil.GVKForObject(object, r.Client.Scheme())
		if err != nil || want.Has(gvk.Kind, object.GetName()) {
			return err
		}
		uid := object.GetUID()
		if err := r.Client.Delete(ctx, object, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting %s %s/%s: %w", gvk.Kind, namespace, object.GetName(), err)
		}
		return nil
	})
}
