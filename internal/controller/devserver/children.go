package devserver

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/desired"
)

// secretIsCurrent tells whether the Secret was applied with the content that
// is desired now. It is read from the StatefulSet, which is applied after it.
func (r *Reconciler) secretIsCurrent(ctx context.Context, d *devv1.DevServer, in desired.Input) (bool, error) {
	set, err := get(ctx, r, d, desired.StatefulSetName(d.Name), &appsv1.StatefulSet{})
	if err != nil || set == nil {
		return false, err
	}
	return set.Annotations[desired.AnnotationSecretHash] == desired.SecretHash(in), nil
}

func isSecret(object runtime.ApplyConfiguration) bool {
	_, ok := object.(*corev1ac.SecretApplyConfiguration)
	return ok
}

// prune deletes the SSH Service of a DevServer that wants none any more.
func (r *Reconciler) prune(ctx context.Context, d *devv1.DevServer) error {
	if d.Spec.SSH.Service.Type != devv1.SSHServiceNone {
		return nil
	}
	service, err := get(ctx, r, d, desired.SSHServiceName(d.Name), &corev1.Service{})
	if err != nil || service == nil || !service.DeletionTimestamp.IsZero() {
		return err
	}
	uid := service.UID
	if err := r.Client.Delete(ctx, service, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Service %s/%s: %w", service.Namespace, service.Name, err)
	}
	return nil
}
