package status

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/policy"
)

// suspended is the state of a server that gets no pod; ok is false if it gets one.
func suspended(d *devv1.DevServer, o Observed) (s state, ok bool) {
	if o.Lifecycle == nil || o.Lifecycle.Run {
		return state{}, false
	}
	cause := o.Lifecycle.Cause
	message := map[string]string{
		devv1.ReasonSuspended: "spec.suspend is true. To start the server: devctl start " + d.Name,
		devv1.ReasonIdle:      "The server was idle for its idle timeout" + because(o.Lifecycle.StartFailure) + ". It wakes when you connect, or with: devctl start " + d.Name,
		devv1.ReasonScheduled: "The server was idle after its schedule's stop" + because(o.Lifecycle.StartFailure) + ". It starts at its schedule's start, when you connect, or with: devctl start " + d.Name,
		devv1.ReasonExpired:   "The server reached its time to live. To start it again: devctl start " + d.Name,
	}[cause]
	switch {
	case cause == devv1.ReasonEvicted:
		return state{devv1.PhaseFailed, devv1.ReasonEvicted, "The server was evicted three times in ten minutes. It is started again after a delay, which grows each time. The last time: " + ptr.Deref(d.Status.LastDisruption, devv1.Disruption{}).Message}, true
	case o.Pod != nil && o.NodeLost:
		return state{devv1.PhaseSuspending, devv1.ReasonNodeLost, nodeLost(o.Pod.Spec.NodeName)}, true
	case o.Pod != nil:
		return state{devv1.PhaseSuspending, cause, message}, true
	case cause == devv1.ReasonExpired:
		return state{devv1.PhaseExpired, cause, message}, true
	default:
		return state{devv1.PhaseSuspended, cause, message}, true
	}
}

// because says why a server was idle, if its container could not run.
func because(startFailure string) string {
	if startFailure == "" {
		return ""
	}
	return ", because its container could not run: " + startFailure
}

// setLifecycle sets whether the server is active, and when it stops or is deleted.
// What is set stays as long as its meaning does.
func setLifecycle(s *devv1.DevServerStatus, c Conditions, o Observed) {
	l := o.Lifecycle
	if l == nil {
		return
	}
	if s.DeletesAt = lifecycle.Time(l.DeletesAt); l.Cause != devv1.ReasonExpired {
		s.Expired = nil
	}
	if s.ExpiresAt != nil || s.Phase == devv1.PhaseRunning { // Before Running it would cost a write of its own.
		s.ExpiresAt = lifecycle.Time(l.ExpiresAt)
	}
	setSuspendedAt(s, l, c.Now)
	switch {
	case !l.Run, !l.TracksActivity, s.Phase != devv1.PhaseRunning && l.Activity == nil:
		s.Activity, s.SuspendsAt = "", nil
		c.Remove(devv1.ConditionActive)
	case l.Activity != nil:
		setActive(s, c, *l)
	}
	setStopPending(c, l, s.Phase == devv1.PhaseRunning)
}

// lifecycleStatus reports a policy. It depends on the DevServer, its flavor and the
// operator's flags alone, so that the first status that is written has it, and it
// costs no write of its own.
func lifecycleStatus(p policy.Policy) *devv1.LifecycleStatus {
	s := &devv1.LifecycleStatus{
		IdleTimeout:          duration(p.IdleTimeout),
		TimeToLive:           duration(p.TimeToLive),
		DeleteAfterSuspended: duration(p.DeleteAfter),
		Schedule:             p.Schedule.Source().DeepCopy(),
	}
	if p.TimeToLive > 0 {
		s.OnExpire = p.OnExpire
	}
	return s
}

// duration is d as the API has it; nil for 0, which stands for never.
func duration(d time.Duration) *metav1.Duration {
	if d == 0 {
		return nil
	}
	return &metav1.Duration{Duration: d}
}

// setSuspendedAt counts from when the pod has been deleted. A clock that was set
// back since must not prolong that.
func setSuspendedAt(s *devv1.DevServerStatus, l *lifecycle.Decision, now time.Time) {
	switch {
	case l.Run:
		s.SuspendedAt = nil
	case (s.SuspendedAt == nil || s.SuspendedAt.After(now)) && (s.Phase == devv1.PhaseSuspended || s.Phase == devv1.PhaseExpired):
		s.SuspendedAt = lifecycle.Time(now)
	}
}

// setActive sets the condition Active, and what goes with it. While the server stays
// in a State, only a new stop or a new message is worth a write.
func setActive(s *devv1.DevServerStatus, c Conditions, l lifecycle.Decision) {
	activity, suspendsAt := *l.Activity, lifecycle.Time(l.SuspendsAt)
	before := meta.FindStatusCondition(*c.List, devv1.ConditionActive)
	sentence := bounded(l.Sentence())
	if before != nil && before.Reason == activity.Reason() && before.ObservedGeneration == c.Generation &&
		s.SuspendsAt.Equal(suspendsAt) && s.Activity == sentence {
		return
	}
	s.Activity = sentence
	s.LastActivityAt, s.SuspendsAt = lifecycle.Time(activity.Last), suspendsAt
	state := metav1.ConditionTrue
	switch activity.State {
	case lifecycle.Idle:
		state = metav1.ConditionFalse
	case lifecycle.Unknown:
		state = metav1.ConditionUnknown
	}
	c.Set(devv1.ConditionActive, state, activity.Reason(), s.Activity)
}

// setStopPending sets the condition once the server can stop by itself. While it is
// unknown whether a stop is near, the condition stays.
func setStopPending(c Conditions, l *lifecycle.Decision, running bool) {
	was := meta.FindStatusCondition(*c.List, devv1.ConditionStopPending)
	switch w := l.Warning; {
	case !l.Run || (!l.TracksActivity && l.ExpiresAt.IsZero()):
		c.Remove(devv1.ConditionStopPending)
	case w != nil && w.Last:
		if was != nil && (was.Reason != devv1.ReasonStopImminent || was.LastTransitionTime.After(c.Now)) {
			// The stop waits until the last warning is some minutes old, by this clock,
			// which may have been set back since.
			was.LastTransitionTime = metav1.NewTime(c.Now)
		}
		c.Set(devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, w.Sentence())
	case w != nil:
		c.Set(devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, w.Sentence())
	case l.TracksActivity && l.Activity == nil && running:
	case was != nil:
		c.Set(devv1.ConditionStopPending, metav1.ConditionFalse, devv1.ReasonNoStop, "No stop is near.")
	}
}

// setHomeFull sets the condition once the home was full for the first time. It
// takes a little more free space than it had then to end it.
func setHomeFull(c Conditions, o Observed) {
	if o.Report == nil || o.Report.Home == nil {
		return
	}
	was := meta.FindStatusCondition(*c.List, devv1.ConditionHomeFull)
	switch room := *o.Report.Home; {
	case room.Full() || (was != nil && was.Status == metav1.ConditionTrue && !room.Roomy()):
		if was != nil && was.Status == metav1.ConditionTrue {
			return // Its figure is that of the moment in which it became full.
		}
		c.Set(devv1.ConditionHomeFull, metav1.ConditionTrue, devv1.ReasonHomeFull, fmt.Sprintf(
			"The home directory is full: %d MiB of %d MiB were free when that was noticed. Delete files, or increase spec.persistentHomeSize: devctl resize --home-size.", room.FreeBytes>>20, room.SizeBytes>>20))
	case was != nil:
		c.Set(devv1.ConditionHomeFull, metav1.ConditionFalse, devv1.ReasonHomeHasSpace, "The home directory has free space.")
	}
}

// disruptive are the reasons for which a server stops unintentionally.
var disruptive = []string{
	devv1.ReasonEvicted, devv1.ReasonOOMKilled, devv1.ReasonCrashLoop, devv1.ReasonNodeLost, devv1.ReasonPodFailed,
}

// setDisruption records why a server stopped, for when it runs again.
func setDisruption(s *devv1.DevServerStatus, before []metav1.Condition, ready state, o Observed, now time.Time) {
	if !slices.Contains(disruptive, ready.reason) || (ready.phase == devv1.PhaseFailed && ready.reason == devv1.ReasonEvicted) {
		return
	}
	was := meta.FindStatusCondition(before, devv1.ConditionReady)
	if was != nil && s.LastDisruption != nil && (was.Reason == ready.reason || followsLoss(*s.LastDisruption, *was)) {
		return
	}
	message := ready.message
	if ready.reason == devv1.ReasonNodeLost {
		message = fmt.Sprintf("The node %s stopped answering.", o.Pod.Spec.NodeName) // Without what to do, which no longer applies once it runs again.
	}
	s.LastDisruption = &devv1.Disruption{Reason: ready.reason, Message: bounded(message), Time: lifecycle.Time(now)}
}

// followsLoss tells whether the server has not been Ready since its node was lost:
// the eviction of its pod from that node is no cause of its own.
func followsLoss(last devv1.Disruption, ready metav1.Condition) bool {
	return last.Reason == devv1.ReasonNodeLost && last.Time != nil && ready.Status == metav1.ConditionFalse &&
		!ready.LastTransitionTime.Truncate(time.Second).After(last.Time.Time)
}
