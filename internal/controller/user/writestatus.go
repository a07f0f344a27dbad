package user

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// writeStatus writes the status if it changed, and records an event if what
// changed is a cause that somebody should look at.
func (r *Reconciler) writeStatus(ctx context.Context, u *devv1.DevServerUser, s devv1.DevServerUserStatus) error {
	if equality.Semantic.DeepEqual(u.Status, s) {
		return nil
	}
	before := u.DeepCopy()
	u.Status = s
	// The resourceVersion makes it fail where the DevServerUser was edited or
	// made anew since it was read.
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, u, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of DevServerUser %s: %w", u.Name, err)
	}
	r.recordChange(before, u)
	return nil
}

// recordChange records what went wrong when it did, once.
func (r *Reconciler) recordChange(before, after *devv1.DevServerUser) {
	was := meta.FindStatusCondition(before.Status.Conditions, devv1.ConditionReady)
	is := meta.FindStatusCondition(after.Status.Conditions, devv1.ConditionReady)
	if is == nil || was != nil && was.Reason == is.Reason {
		return
	}
	switch is.Reason {
	case devv1.ReasonProvisioned, devv1.ReasonUserQuotaPending:
		return
	}
	r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, is.Reason, "Reconcile", "%s", is.Message)
}
