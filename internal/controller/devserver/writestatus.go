package devserver

import (
	"context"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/report"
)

// writeStatus writes the status if it changed, and records an event if what
// changed is a cause that somebody should look at. The way to Running is no
// event: the status tells. A restart has an event of its own.
func (r *Reconciler) writeStatus(ctx context.Context, d *devv1.DevServer, s devv1.DevServerStatus) error {
	before := d.Status.Conditions
	written, err := report.Status(ctx, r.Client, d, &d.Status, s)
	if written {
		report.Cause(r.Recorder, d, before, d.Status.Conditions,
			devv1.ReasonAnswering, devv1.ReasonStarting, devv1.ReasonTerminating, devv1.ReasonRestarting)
	}
	return err
}
