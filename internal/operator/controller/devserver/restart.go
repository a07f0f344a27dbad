package devserver

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/status"
)

// restart deletes the pod if its owner's edit requires a restart, or if it never
// ran and its template changed: no work is lost, and what changed, such as the name of
// an image, may be why it did not run. The StatefulSet controller, which must never
// restart a server by itself, creates the next pod.
func (r *Reconciler) restart(ctx context.Context, d *devv1.DevServer, o status.Observed) error {
	pod := o.Pod
	if pod == nil || !pod.DeletionTimestamp.IsZero() {
		return nil
	}
	fields := status.Edited(o)
	if len(fields) == 0 && (everRan(pod) || !status.RevisionOutdated(o)) {
		return nil
	}
	err := r.Client.Delete(ctx, pod, client.Preconditions{UID: new(pod.UID)})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err := written(err, "deleting Pod %s/%s for its new settings", pod.Namespace, pod.Name); err != nil {
		return err
	}
	if len(fields) > 0 && everRan(pod) {
		r.Recorder.Eventf(d, pod, corev1.EventTypeNormal, devv1.ReasonRestarting, "Restart",
			"The server is being restarted, because %s changed.", strings.Join(fields, ", "))
	}
	return nil
}

// everRan tells whether the server ran, even for a moment. Then a user may have work in
// it.
func everRan(pod *corev1.Pod) bool {
	return objects.EverUsable(pod) || pod.Status.Phase != corev1.PodPending
}
