package devserver

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// facts returns what is known of the server.
func (r *Reconciler) facts(in resolved) lifecycle.Facts {
	d := in.server
	f := lifecycle.Facts{
		Suspend:      d.Spec.Suspend,
		Resumed:      lifecycle.Resumed(d.Spec.Suspend, reasonOf(d.Status.Conditions, devv1.ConditionReady)),
		RestartedAt:  timeOf(d.Spec.RestartedAt),
		SuspendedAt:  timeOf(d.Status.SuspendedAt),
		DeletesAt:    timeOf(d.Status.DeletesAt),
		Lease:        lease.Of(in.lease),
		ForeignLease: in.foreignLease(),
		NoPod:        in.pod == nil,
		HoldUntil:    lifecycle.HoldUntil(in.memory.failures),
	}
	if e := d.Status.Expired; e != nil {
		f.Expired = &lifecycle.Expiry{RestartedAt: timeOf(e.RestartedAt)}
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionStopPending); c != nil && c.Reason == devv1.ReasonStopImminent {
		f.LastWarningAt = c.LastTransitionTime.Time
	}
	if pod := in.pod; pod != nil && pod.DeletionTimestamp.IsZero() {
		f.Pod = r.podFacts(in, pod)
	}
	return f
}

// podFacts returns what is known of a pod that is not being deleted. The clock of its
// node, which sets the start time, may be behind the API server's.
func (r *Reconciler) podFacts(in resolved, pod *corev1.Pod) *lifecycle.Pod {
	p := &lifecycle.Pod{}
	switch c := status.Condition(pod, corev1.PodReady); {
	case c == nil:
	case c.Status == corev1.ConditionTrue:
		p.ReadyAt = c.LastTransitionTime.Time
	default:
		p.ReadyUntil = c.LastTransitionTime.Time // Or the pod's start, if SSH never answered.
	}
	if p.StartedAt = objects.StartedAt(pod); !p.StartedAt.IsZero() {
		p.StartFailure = status.StartFailure(in.server, pod)
	}
	last, asked := r.Poller.Last(in.key(), pod.UID)
	if !asked {
		return p
	}
	p.AgentUnreachable, p.AgentOutdated = last.Unreachable(), last.Outdated()
	if !last.At.IsZero() {
		p.Activity = &lifecycle.AgentActivity{LastActivity: last.LastActivity(), KeptAwakeBy: last.Report.KeptAwakeBy()}
	}
	return p
}

// timeOf is t, or zero if it is nil.
func timeOf(t *metav1.Time) time.Time { return ptr.Deref(t, metav1.Time{}).Time }
