package status

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// asleep is the state of a box that is to have no pod, and whether it is one.
func asleep(d *devv1.DevServer, o Observed) (state, bool) {
	if o.Lifecycle == nil || o.Lifecycle.Run {
		return state{}, false
	}
	cause := o.Lifecycle.Cause
	message := map[lifecycle.Cause]string{
		lifecycle.CauseOwner:     "spec.suspend asks for it. To start it again, set that to false: devctl start " + d.Name,
		lifecycle.CauseIdle:      "The server was without work for its idle timeout" + because(o.Lifecycle.Hindered) + ". To wake it: devctl start " + d.Name,
		lifecycle.CauseScheduled: "The server was without work after the stop of its schedule" + because(o.Lifecycle.Hindered) + ". Its schedule's start wakes it, or: devctl start " + d.Name,
		lifecycle.CauseExpired:   "The server's time to live is over. To start it again, set spec.restartedAt to a later time, such as now: devctl start " + d.Name,
	}[cause]
	switch {
	case cause == lifecycle.CauseEvicted:
		return state{devv1.PhaseFailed, devv1.ReasonEvicted, "The server was put out of its node three times in ten minutes. It is started again after a wait, which is longer each time. The last time: " + lastEnd(d)}, true
	case o.Pod != nil && o.NodeLost:
		return state{devv1.PhaseSuspending, devv1.ReasonNodeLost, nodeLost(o.Pod.Spec.NodeName)}, true
	case o.Pod != nil:
		return state{devv1.PhaseSuspending, string(cause), message}, true
	case cause == lifecycle.CauseExpired:
		return state{devv1.PhaseExpired, string(cause), message}, true
	default:
		return state{devv1.PhaseSuspended, string(cause), message}, true
	}
}

// because says why a box was without work, if it could have none.
func because(hindered string) string {
	if hindered == "" {
		return ""
	}
	return ", because its container did not run: " + hindered
}

// lastEnd is what the last of the pods came to.
func lastEnd(d *devv1.DevServer) string {
	if was := d.Status.LastDisruption; was != nil {
		return was.Message
	}
	return ""
}

// setLifecycle says how the box's work stands, and what is to become of it and
// when. What was said stays as long as its meaning does: the figures in it are
// of the moment in which it became true.
func setLifecycle(s *devv1.DevServerStatus, c Conditions, o Observed) {
	l := o.Lifecycle
	if l == nil {
		return
	}
	if s.DeletesAt = lifecycle.Time(l.DeletesAt); l.Cause != lifecycle.CauseExpired {
		s.Expired = nil
	}
	if s.ExpiresAt != nil || s.Phase == devv1.PhaseRunning { // On the way there it would cost a write of its own.
		s.ExpiresAt = lifecycle.Time(l.ExpiresAt)
	}
	setSuspendedAt(s, l, c.Now)
	switch {
	case !l.Run, !l.Watched, s.Phase != devv1.PhaseRunning && l.Work == nil:
		s.Activity, s.SuspendsAt = "", nil
		c.Remove(devv1.ConditionActive)
	case l.Work != nil:
		setActive(s, c, *l)
	}
	setStopPending(c, l, s.Phase == devv1.PhaseRunning)
}

// setSuspendedAt counts from when the pod is gone. A clock that was set back
// since is not to have it sleep for longer.
func setSuspendedAt(s *devv1.DevServerStatus, l *lifecycle.Decision, now time.Time) {
	switch {
	case l.Run:
		s.SuspendedAt = nil
	case (s.SuspendedAt == nil || s.SuspendedAt.After(now)) && (s.Phase == devv1.PhaseSuspended || s.Phase == devv1.PhaseExpired):
		s.SuspendedAt = lifecycle.Time(now)
	}
}

func setActive(s *devv1.DevServerStatus, c Conditions, l lifecycle.Decision) {
	work, suspendsAt := *l.Work, lifecycle.Time(l.SuspendsAt)
	was := meta.FindStatusCondition(*c.List, devv1.ConditionActive)
	sentence := bounded(l.Sentence())
	if was != nil && was.Reason == work.Reason() && was.ObservedGeneration == c.Generation && s.SuspendsAt.Equal(suspendsAt) {
		switch work.State {
		case lifecycle.Idle:
			if s.LastActivityAt.Equal(lifecycle.Time(work.Last)) {
				return
			}
		case lifecycle.Kept:
			if s.Activity == sentence {
				return
			}
		default:
			return
		}
	}
	s.Activity = sentence
	s.LastActivityAt, s.SuspendsAt = lifecycle.Time(work.Last), suspendsAt
	state := metav1.ConditionTrue
	switch work.State {
	case lifecycle.Idle:
		state = metav1.ConditionFalse
	case lifecycle.Unknown:
		state = metav1.ConditionUnknown
	}
	c.Set(devv1.ConditionActive, state, work.Reason(), s.Activity)
}

// setStopPending is there once the box may stop by itself. While nobody knows
// whether a stop is near, what was said before stands.
func setStopPending(c Conditions, l *lifecycle.Decision, running bool) {
	was := meta.FindStatusCondition(*c.List, devv1.ConditionStopPending)
	switch w := l.Warning; {
	case !l.Run || !l.Watched && l.ExpiresAt.IsZero():
		c.Remove(devv1.ConditionStopPending)
	case w != nil && w.Last:
		if was != nil && (was.Reason != devv1.ReasonStopImminent || was.LastTransitionTime.After(c.Now)) {
			// The stop waits for people to have been warned for the last time a while
			// ago, by this clock, which may have been set back since.
			was.LastTransitionTime = metav1.NewTime(c.Now)
		}
		c.Set(devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, w.Sentence())
	case w != nil:
		c.Set(devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, w.Sentence())
	case l.Watched && l.Work == nil && running:
	case was != nil:
		c.Set(devv1.ConditionStopPending, metav1.ConditionFalse, devv1.ReasonNoStop, "The server is not about to stop by itself.")
	}
}

// setHomeFull is there from when the home was full for the first time. It asks
// for a little more room than it had then to call it roomy again.
func setHomeFull(c Conditions, o Observed) {
	if o.Report == nil || o.Report.Home == nil {
		return
	}
	was := meta.FindStatusCondition(*c.List, devv1.ConditionHomeFull)
	switch room := *o.Report.Home; {
	case room.Full() || was != nil && was.Status == metav1.ConditionTrue && !room.Roomy():
		if was != nil && was.Status == metav1.ConditionTrue {
			return // The figure in it is of the moment in which it became full.
		}
		c.Set(devv1.ConditionHomeFull, metav1.ConditionTrue, devv1.ReasonHomeFull, fmt.Sprintf(
			"%d MiB of the home directory's %d MiB were free when it was found to be full. Make room, or enlarge spec.persistentHomeSize.", room.FreeBytes>>20, room.SizeBytes>>20))
	case was != nil:
		c.Set(devv1.ConditionHomeFull, metav1.ConditionFalse, devv1.ReasonHomeHasRoom, "There is room in the home directory.")
	}
}

// disruptive are the reasons for which a box stops although nobody asked.
var disruptive = []string{
	devv1.ReasonEvicted, devv1.ReasonOOMKilled, devv1.ReasonCrashLoop, devv1.ReasonNodeLost, devv1.ReasonPodFailed,
}

// setDisruption notes why a box stopped, for when it is back.
func setDisruption(s *devv1.DevServerStatus, before []metav1.Condition, ready state, o Observed, now time.Time) {
	if !slices.Contains(disruptive, ready.reason) || ready.phase == devv1.PhaseFailed && ready.reason == devv1.ReasonEvicted {
		return
	}
	was := meta.FindStatusCondition(before, devv1.ConditionReady)
	if was != nil && s.LastDisruption != nil && (was.Reason == ready.reason || followsLoss(*s.LastDisruption, *was)) {
		return
	}
	message := ready.message
	if ready.reason == devv1.ReasonNodeLost {
		message = fmt.Sprintf("The node %s stopped answering.", o.Pod.Spec.NodeName) // What to do is over by then.
	}
	s.LastDisruption = &devv1.Disruption{Reason: ready.reason, Message: bounded(message), Time: lifecycle.Time(now)}
}

// followsLoss tells whether the box has not been Ready since its node was lost:
// that its pod is put out of that node is no cause of its own.
func followsLoss(last devv1.Disruption, ready metav1.Condition) bool {
	return last.Reason == devv1.ReasonNodeLost && last.Time != nil && ready.Status == metav1.ConditionFalse &&
		!ready.LastTransitionTime.Truncate(time.Second).After(last.Time.Time)
}

// ReadyUntil is when SSH ceased to answer, or the start of a pod in which it
// never did; zero while it does.
func ReadyUntil(pod *corev1.Pod) time.Time {
	if c := condition(pod, corev1.PodReady); c != nil && c.Status != corev1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}

// ReadySince is since when SSH answers; zero while it does not.
func ReadySince(pod *corev1.Pod) time.Time {
	if c := condition(pod, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		return c.LastTransitionTime.Time
	}
	return time.Time{}
}
