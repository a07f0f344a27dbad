package user

import (
	"context"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/report"
)

// writeStatus writes the status if it changed, and records an event if the
// cause changed and requires action.
func (r *Reconciler) writeStatus(ctx context.Context, u *devv1.DevServerUser, s devv1.DevServerUserStatus) error {
	before := u.Status.Conditions
	written, err := report.Status(ctx, r.Client, u, &u.Status, s)
	if written {
		report.Cause(r.Recorder, u, before, u.Status.Conditions, devv1.ReasonProvisioned, devv1.ReasonUserQuotaPending)
	}
	return err
}
