package devserver

import (
	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

// serviceProblem refuses a Service that the admin does not allow. An admission policy
// refuses the same, but a DevServer may be older than the policy, and the policy may have
// been deleted.
//
// A Service that was applied while it was allowed stays unchanged. To delete it would
// take its address away, which cannot be undone if the operator was only started with
// wrong flags. To remove an annotation could expose it: without the one that requests an
// internal load balancer, some clouds create a public one.
func (r *Reconciler) serviceProblem(d *devv1.DevServer) *status.Problem {
	if refused := r.Config.Services.Refused(d.Spec.SSH.Service); refused != "" {
		return &status.Problem{Reason: devv1.ReasonServiceNotAllowed, Message: refused}
	}
	return nil
}
