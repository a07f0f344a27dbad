package devserver

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	devv1 "devserver.io/devserver/api/v1"
)

// writeStatus writes the status if it changed, and records an event if what
// changed is a cause that somebody should look at.
func (r *Reconciler) writeStatus(ctx context.Context, d *devv1.DevServer, s devv1.DevServerStatus) error {
	if equality.Semantic.DeepEqual(d.Status, s) {
		return nil
	}
	before := d.DeepCopy()
	d.Status = s
	// The resourceVersion makes it fail where the DevServer was edited, deleted
	// or made anew since it was read. A patch would cost both sides more.
	if err := r.Client.Status().Update(ctx, d); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("writing the status of DevServer %s/%s: %w", d.Namespace, d.Name, err)
	}
	r.recordChange(before, d)
	return nil
}

// recordChange records what went wrong when it did, once. The way to Running
// is no event: the status tells.
func (r *Reconciler) recordChange(before, after *devv1.DevServer) {
	was := meta.FindStatusCondition(before.Status.Conditions, devv1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, devv1.ConditionReady)
	if is == nil || was != nil && was.Reason == is.Reason {
		return
	}
	switch is.Reason {
	case devv1.ReasonAnswering, devv1.ReasonStarting, devv1.ReasonTerminating, devv1.ReasonRestarting: // The restart has an event of its own.
		return
	}
	r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
}
