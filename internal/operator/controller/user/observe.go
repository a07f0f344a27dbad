package user

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/status"
)

// observe gathers what the status is computed from.
func (r *Reconciler) observe(ctx context.Context, u *devv1.DevServerUser, done outcome) (status.ObservedUser, error) {
	o := status.ObservedUser{Problem: done.problem, Namespace: done.namespace, BadKeys: account.BadKeys(u)}
	quota := &corev1.ResourceQuota{}
	name := types.NamespacedName{Namespace: account.NamespaceName(u), Name: account.Name}
	if err := r.Client.Get(ctx, name, quota); client.IgnoreNotFound(err) != nil {
		return o, fmt.Errorf("reading ResourceQuota %s: %w", name, err)
	}
	if metav1.IsControlledBy(quota, u) {
		o.Quota = quota
	}
	return o, nil
}
