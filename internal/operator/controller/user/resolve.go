package user

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/status"
)

// resolve looks at what the user's objects depend on: other DevServerUsers,
// and a namespace that is being deleted. An obstacle is returned as a problem;
// an event reports its end.
func (r *Reconciler) resolve(ctx context.Context, u *devv1.DevServerUser) (*status.Problem, error) {
	all := &devv1.DevServerUserList{}
	if err := r.Client.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing DevServerUsers: %w", err)
	}
	if elder := account.Elder(u, all.Items); elder != nil {
		return taken(u, elder), nil
	}
	ns := &corev1.Namespace{}
	name := account.NamespaceName(u)
	if err := r.Client.Get(ctx, types.NamespacedName{Name: name}, ns); client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("reading Namespace %s: %w", name, err)
	}
	if !ns.DeletionTimestamp.IsZero() {
		return leaving(name), nil
	}
	return nil, nil
}
