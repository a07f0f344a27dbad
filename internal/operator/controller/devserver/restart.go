package devserver

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// restart deletes a pod that its owner's edit asks to start anew, and one that
// never ran and is to be started with settings that are not current any more,
// such as an image that does not exist: nobody's work is in it. The StatefulSet
// controller, which must never restart a box by itself, makes the next one.
func (r *Reconciler) restart(ctx context.Context, d *devv1.DevServer, o status.Observed) error {
	pod := o.Pod
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return nil
	}
	fields := status.Edited(o)
	if len(fields) == 0 && (everRan(pod) || !status.RestartPending(o)) {
		return nil
	}
	uid := pod.UID
	if err := r.Client.Delete(ctx, pod, client.Preconditions{UID: &uid}); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil
		}
		return fmt.Errorf("deleting Pod %s/%s for its new settings: %w", pod.Namespace, pod.Name, err)
	}
	if len(fields) > 0 && everRan(pod) {
		r.Recorder.Eventf(d, pod, corev1.EventTypeNormal, devv1.ReasonRestarting, "Restart",
			"The server is being restarted, because %s changed.", strings.Join(fields, ", "))
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
