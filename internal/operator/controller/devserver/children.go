package devserver

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
)

// awaitsVolumes tells whether a pod has a node, but not yet its volumes and
// its sandbox.
func awaitsVolumes(pod *corev1.Pod) bool {
	if pod == nil || pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodPending || !pod.DeletionTimestamp.IsZero() {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers {
			return c.Status != corev1.ConditionTrue
		}
	}
	return true
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
