package devserver

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/report"
)

// quiet are the reasons of the Ready condition that need no attention. The steps to
// Running have no events, because the status shows them. A restart and a stop have
// their own events.
var quiet = append([]string{
	devv1.ReasonAnswering, devv1.ReasonStarting, devv1.ReasonTerminating, devv1.ReasonRestarting,
}, stops...)

// stops are the reasons of a server that stops as intended.
var stops = []string{devv1.ReasonSuspended, devv1.ReasonIdle, devv1.ReasonScheduled, devv1.ReasonExpired}

// writeStatus writes the status if it changed, and records an event for each
// change that needs attention.
func (r *Reconciler) writeStatus(ctx context.Context, d *devv1.DevServer, s devv1.DevServerStatus) error {
	before := d.Status
	changed, err := report.Status(ctx, r.Client, d, &d.Status, s)
	if err != nil && apierrors.IsConflict(err) {
		return fmt.Errorf("writing the status of DevServer %s/%s: %w", d.Namespace, d.Name, errStale)
	}
	if !changed {
		return err
	}
	report.Cause(r.Recorder, d, before.Conditions, d.Status.Conditions, quiet...)
	if last := d.Status.LastDisruption; last != nil && !equality.Semantic.DeepEqual(last, before.LastDisruption) && last.Reason != reasonOf(d.Status.Conditions, devv1.ConditionReady) {
		// It was over before a pass saw it, so it was never the reason of the Ready condition.
		r.Recorder.Eventf(d, nil, corev1.EventTypeWarning, last.Reason, "Reconcile", "%s", last.Message)
	}
	r.recordChange(d, before, devv1.ConditionReady, corev1.EventTypeNormal, "Stop", stops...)
	if reason := reasonOf(d.Status.Conditions, devv1.ConditionReady); reason != reasonOf(before.Conditions, devv1.ConditionReady) && slices.Contains(stops, reason) {
		stopsTotal.WithLabelValues(reason).Inc()
	}
	r.recordChange(d, before, devv1.ConditionStopPending, corev1.EventTypeNormal, "Warn", devv1.ReasonStopSoon, devv1.ReasonStopImminent)
	r.recordChange(d, before, devv1.ConditionHomeFull, corev1.EventTypeWarning, "Poll", devv1.ReasonHomeFull)
	r.recordChange(d, before, devv1.ConditionAgentUpdatePending, corev1.EventTypeWarning, "UpdateAgent", devv1.ReasonAgentUpdateFailed)
	r.recordChange(d, before, devv1.ConditionActive, corev1.EventTypeWarning, "Poll", devv1.ReasonAgentUnreachable)
	if killed := d.Status.OOMKills - before.OOMKills; killed > 0 {
		r.Recorder.Eventf(d, nil, corev1.EventTypeWarning, devv1.ReasonOOMKilled, "Poll",
			"The server reached its memory limit, and the kernel killed %d of its processes. The server runs on.", killed)
	}
	return nil
}

// recordChange records an event if a condition has changed to one of the reasons.
func (r *Reconciler) recordChange(d *devv1.DevServer, before devv1.DevServerStatus, kind, severity, action string, reasons ...string) {
	c := meta.FindStatusCondition(d.Status.Conditions, kind)
	if c == nil || !slices.Contains(reasons, c.Reason) || c.Reason == reasonOf(before.Conditions, kind) {
		return
	}
	r.Recorder.Eventf(d, nil, severity, c.Reason, action, "%s", c.Message)
}

// reasonOf is the reason of a condition; empty if it does not exist.
func reasonOf(conditions []metav1.Condition, kind string) string {
	return ptr.Deref(meta.FindStatusCondition(conditions, kind), metav1.Condition{}).Reason
}
