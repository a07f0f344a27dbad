// Package user reconciles DevServerUsers.
//
// A pass over one DevServerUser has these steps, in this order:
//
//   - resolve: find an older DevServerUser with the same user name or owner, or a
//     namespace that is being deleted;
//   - render the objects, which is pure (package account);
//   - apply: delete what is no longer desired, and apply what differs;
//   - observe: read the quota;
//   - write the status, whose computation is pure (package status), and its events.
//
// Objects whose name may be taken are read from the API server before they are first
// applied (package apply). Everything else is read from the watch cache. Objects are
// written through package apply, deleted by pruneKind, and the status is written by
// writeStatus.
package user

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/account"
	"devserver.io/devserver/internal/operator/apply"
	"devserver.io/devserver/internal/operator/status"
)

// Reconciler makes the cluster match each DevServerUser, and each
// DevServerUser's status match the cluster.
type Reconciler struct {
	// Client reads from the watch cache, which has seen what this client wrote.
	Client   client.Client
	Recorder events.EventRecorder
	Clock    clock.PassiveClock
	Applier  *apply.Applier
}

// conflictRetry is how often a name that another owner's object has is tried
// again: those objects are not watched.
const conflictRetry = 30 * time.Second

// Reconcile makes one pass over one DevServerUser.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	u := &devv1.DevServerUser{}
	if err := r.Client.Get(ctx, req.NamespacedName, u); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !u.DeletionTimestamp.IsZero() {
		// Limits and roles are deleted by garbage collection; the rest stays.
		return ctrl.Result{}, nil
	}
	result, err := r.reconcile(ctx, u)
	if apierrors.IsConflict(err) {
		// The object was written at the same time: the next pass reads it.
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return result, err
}

func (r *Reconciler) reconcile(ctx context.Context, u *devv1.DevServerUser) (ctrl.Result, error) {
	problem, err := r.resolve(ctx, u)
	if err != nil {
		return ctrl.Result{}, err
	}
	want := account.Desired(u)
	done, applyErr := r.apply(ctx, u, problem, want)
	if applyErr != nil && done.problem == nil {
		return ctrl.Result{}, applyErr
	}
	observed, err := r.observe(ctx, u, done)
	if err != nil {
		return ctrl.Result{}, err
	}
	// The status is written even if the apply step failed.
	if err := r.writeStatus(ctx, u, status.ComputeUser(u, observed, r.Clock.Now())); err != nil {
		return ctrl.Result{}, err
	}
	if applyErr == nil && done.taken {
		return ctrl.Result{RequeueAfter: conflictRetry}, nil
	}
	return ctrl.Result{}, applyErr
}
