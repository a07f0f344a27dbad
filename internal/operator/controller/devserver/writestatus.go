package devserver

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/report"
)

// quiet are the reasons of the Ready condition that nobody has to look at. The
// way to Running is no event: the status tells. A restart has an event of its
// own, and so has a stop.
var quiet = append([]string{
	devv1.ReasonAnswering, devv1.ReasonStarting, devv1.ReasonTerminating, devv1.ReasonRestarting,
}, stops...)

// stops are the reasons of a box that stops as it is to.
var stops = []string{devv1.ReasonSuspended, devv1.ReasonIdle, devv1.ReasonScheduled, devv1.ReasonExpired}

// writeStatus writes the status if it changed, and records an event for each
// change that somebody should know of.
func (r *Reconciler) writeStatus(ctx context.Context, d *devv1.DevServer, s devv1.DevServerStatus) error {
	before := d.Status
	written, err := report.Status(ctx, r.Client, d, &d.Status, s)
	if !written {
		return err
	}
	report.Cause(r.Recorder, d, before.Conditions, d.Status.Conditions, quiet...)
	if was := d.Status.LastDisruption; was != nil && !equality.Semantic.DeepEqual(was, before.LastDisruption) && was.Reason != reasonOf(d.Status.Conditions, devv1.ConditionReady) {
		// It was over before anybody looked, and never a reason not to be Ready.
		r.Recorder.Eventf(d, nil, corev1.EventTypeWarning, was.Reason, "Reconcile", "%s", was.Message)
	}
	r.tell(d, before, devv1.ConditionReady, corev1.EventTypeNormal, "Stop", stops...)
	if is := reasonOf(d.Status.Conditions, devv1.ConditionReady); is != reasonOf(before.Conditions, devv1.ConditionReady) && slices.Contains(stops, is) {
		stopsTotal.WithLabelValues(is).Inc()
	}
	r.tell(d, before, devv1.ConditionStopPending, corev1.EventTypeNormal, "Warn", devv1.ReasonStopSoon, devv1.ReasonStopImminent)
	r.tell(d, before, devv1.ConditionHomeFull, corev1.EventTypeWarning, "Poll", devv1.ReasonHomeFull)
	r.tell(d, before, devv1.ConditionActive, corev1.EventTypeWarning, "Poll", devv1.ReasonAgentSilent)
	if killed := d.Status.OOMKills - before.OOMKills; killed > 0 {
		r.Recorder.Eventf(d, nil, corev1.EventTypeWarning, devv1.ReasonOOMKilled, "Poll",
			"The server had used all of its memory, and %d of its processes were killed. It lives on.", killed)
	}
	return nil
}

// tell records an event when a condition has come to have one of the reasons.
func (r *Reconciler) tell(d *devv1.DevServer, before devv1.DevServerStatus, kind, severity, action string, reasons ...string) {
	is := meta.FindStatusCondition(d.Status.Conditions, kind)
	if is == nil || !slices.Contains(reasons, is.Reason) || is.Reason == reasonOf(before.Conditions, kind) {
		return
	}
	r.Recorder.Eventf(d, nil, severity, is.Reason, action, "%s", is.Message)
}

func reasonOf(conditions []metav1.Condition, kind string) string {
	if c := meta.FindStatusCondition(conditions, kind); c != nil {
		return c.Reason
	}
	return ""
}
