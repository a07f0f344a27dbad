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
	"devserver.io/devserver/internal/status"
)

// secretIsCurrent tells whether the Secret was applied with the content that
// is desired now. It is read from the StatefulSet, which is applied after it.
// A pod that cannot mount its volumes casts doubt on that: the Secret may have
// been deleted by hand, and only writing it again would tell.
func (r *Reconciler) secretIsCurrent(ctx context.Context, d *devv1.DevServer, in desired.Input) (bool, error) {
	set, err := get(ctx, r, d, desired.StatefulSetName(d.Name), &appsv1.StatefulSet{})
	if err != nil || set == nil {
		return false, err
	}
	pod, err := r.pod(ctx, d, set)
	if err != nil {
		return false, err
	}
	stuck := awaitsVolumes(pod) && r.Clock.Since(pod.CreationTimestamp.Time) > mountPatience
	return !stuck && set.Annotations[desired.AnnotationSecretHash] == desired.SecretHash(in), nil
}

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

// replaceUnstarted deletes a pod that is to be started with settings that are
// not current any more, such as an image that does not exist. Nobody's work is
// in it, and the StatefulSet controller, which must never restart a box, would
// leave it as it is for ever.
func (r *Reconciler) replaceUnstarted(ctx context.Context, o status.Observed) error {
	pod := o.Pod
	if !status.RestartPending(o) || !pod.DeletionTimestamp.IsZero() || everRan(pod) {
		return nil
	}
	uid := pod.UID
	if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Pod %s/%s, which never started, for its new settings: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

// everRan tells whether the box's container ran, be it for a moment.
func everRan(pod *corev1.Pod) bool {
	for _, c := range pod.Status.ContainerStatuses {
		if c.Name == desired.BoxContainer && (c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil) {
			return true
		}
	}
	return pod.Status.Phase != corev1.PodPending
}
