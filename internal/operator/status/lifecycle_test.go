package status_test

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/policy"
)

func TestAsleep(t *testing.T) {
	for name, tc := range map[string]struct {
		cause   string
		why     string
		pod     *corev1.Pod
		lost    bool
		phase   devv1.DevServerPhase
		reason  string
		message string
	}{
		"by its owner": {cause: devv1.ReasonSuspended, phase: devv1.PhaseSuspended, reason: devv1.ReasonSuspended, message: "devctl start box"},
		"idle":         {cause: devv1.ReasonIdle, phase: devv1.PhaseSuspended, reason: devv1.ReasonIdle, message: "devctl start box"},
		"idle for want of an image": {
			cause: devv1.ReasonIdle, why: devv1.ReasonImagePullFailed, phase: devv1.PhaseSuspended, reason: devv1.ReasonIdle,
			message: "because its container did not run: ImagePullFailed. To wake it: devctl start box",
		},
		"by its schedule":        {cause: devv1.ReasonScheduled, phase: devv1.PhaseSuspended, reason: devv1.ReasonScheduled, message: "schedule's start wakes it"},
		"expired":                {cause: devv1.ReasonExpired, phase: devv1.PhaseExpired, reason: devv1.ReasonExpired, message: "devctl start box"},
		"stopping":               {cause: devv1.ReasonIdle, pod: pod(podReady), phase: devv1.PhaseSuspending, reason: devv1.ReasonIdle},
		"stopping, expired":      {cause: devv1.ReasonExpired, pod: pod(podReady), phase: devv1.PhaseSuspending, reason: devv1.ReasonExpired},
		"its node is gone":       {cause: devv1.ReasonIdle, pod: pod(podReady), lost: true, phase: devv1.PhaseSuspending, reason: devv1.ReasonNodeLost, message: "node-1"},
		"evicted time and again": {cause: devv1.ReasonEvicted, phase: devv1.PhaseFailed, reason: devv1.ReasonEvicted, message: "three times in ten minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := status.Compute(devServer(), status.Observed{
				StatefulSet: set(), Pod: tc.pod, NodeLost: tc.lost, Lifecycle: &lifecycle.Decision{Cause: tc.cause, StartFailure: tc.why},
			}, start.Time)
			ready := meta.FindStatusCondition(s.Conditions, devv1.ConditionReady)
			if s.Phase != tc.phase || ready.Reason != tc.reason || ready.Status != metav1.ConditionFalse || !strings.Contains(ready.Message, tc.message) {
				t.Errorf("%s, %s: %s", s.Phase, ready.Reason, ready.Message)
			}
			if gone := tc.pod == nil && tc.cause != devv1.ReasonEvicted; gone != (s.SuspendedAt != nil) {
				t.Errorf("suspendedAt is %v", s.SuspendedAt)
			}
		})
	}
}

// What is said of a box's work changes when its meaning does, and not with each
// figure or minute.
func TestActivityChangesOnTransitionsOnly(t *testing.T) {
	d := devServer()
	at := start.Time
	say := func(decision lifecycle.Decision) string {
		decision.Run, decision.TracksActivity = true, true
		d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady), Lifecycle: &decision}, at)
		at = at.Add(time.Minute)
		return d.Status.Activity
	}
	working := func(signal string) lifecycle.Decision {
		return lifecycle.Decision{Work: &lifecycle.Work{Last: at, Signal: signal}}
	}
	idle := func(figures string, stop time.Time) lifecycle.Decision {
		return lifecycle.Decision{Work: &lifecycle.Work{State: lifecycle.Idle, Last: start.Time, Figures: figures}, SuspendsAt: stop}
	}
	stop := start.Add(2 * time.Hour)

	first := say(working(agentapi.SignalTerminal))
	if again := say(working(agentapi.SignalCPU)); !strings.Contains(first, "terminal") || again != first {
		t.Errorf("at work: %q, then %q", first, again)
	}
	if known := say(lifecycle.Decision{}); known != first {
		t.Errorf("an operator that has not asked yet says %q", known)
	}
	first = say(idle("CPU 1%", stop))
	if again := say(idle("CPU 2%", stop)); !strings.Contains(first, "CPU 1%") || again != first {
		t.Errorf("idle: %q, then %q", first, again)
	}
	if moved := say(idle("CPU 2%", stop.Add(time.Hour))); moved == first {
		t.Errorf("another time to stop is not said: %q", moved)
	}
	kept := func(until time.Time) lifecycle.Decision {
		return lifecycle.Decision{Work: &lifecycle.Work{State: lifecycle.Kept, Last: at, KeptAwakeUntil: until}}
	}
	first = say(kept(stop))
	if longer := say(kept(stop.Add(time.Hour))); longer == first {
		t.Errorf("a longer keep is not said: %q", longer)
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive); c.Reason != devv1.ReasonKeptAwake || c.Message != d.Status.Activity {
		t.Errorf("the condition is %+v", c)
	}
	say(lifecycle.Decision{Work: &lifecycle.Work{State: lifecycle.Unknown}})
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive); c.Status != metav1.ConditionUnknown || c.Reason != devv1.ReasonAgentUnreachable {
		t.Errorf("the condition is %+v", c)
	}
}

// Of a box that ceases to be Ready nobody knows what it works at, nor whether a
// stop is near.
func TestNothingIsSaidOfABoxThatIsNotReady(t *testing.T) {
	d := devServer()
	stop := start.Add(2 * time.Hour)
	idle := lifecycle.Decision{
		Run: true, TracksActivity: true, SuspendsAt: stop, Work: &lifecycle.Work{State: lifecycle.Idle, Last: start.Time},
		Warning: &lifecycle.Warning{At: stop, Cause: devv1.ReasonIdle},
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady), Lifecycle: &idle}, start.Time)
	if d.Status.Activity == "" || d.Status.SuspendsAt == nil || !meta.IsStatusConditionTrue(d.Status.Conditions, devv1.ConditionStopPending) {
		t.Fatalf("of an idle box it is said: %+v", d.Status)
	}
	unknown := lifecycle.Decision{Run: true, TracksActivity: true}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(), Lifecycle: &unknown}, start.Time)
	if d.Status.Activity != "" || d.Status.SuspendsAt != nil || meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive) != nil {
		t.Errorf("of one that is not Ready any more it is said: %+v", d.Status)
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionStopPending); c.Status != metav1.ConditionFalse {
		t.Errorf("a stop of it is near: %s", c.Message)
	}
}

// A stop waits for people to have been warned for the last time. Since when they
// are is of the operator's clock as it is: by one that was ahead, the stop would
// wait until that time has come.
func TestLastWarningHasATimeOfItsOwn(t *testing.T) {
	d := devServer()
	warn := func(last bool, now time.Time) time.Time {
		decision := lifecycle.Decision{Run: true, TracksActivity: true, Warning: &lifecycle.Warning{At: start.Add(time.Hour), Cause: devv1.ReasonIdle, Last: last}}
		d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady), Lifecycle: &decision}, now)
		return meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionStopPending).LastTransitionTime.Time
	}
	for _, step := range []struct {
		name      string
		last      bool
		now, want time.Duration
	}{
		{"first warning", false, 45 * time.Minute, 45 * time.Minute},
		{"again", false, 50 * time.Minute, 45 * time.Minute},
		{"last warning", true, 55 * time.Minute, 55 * time.Minute},
		{"again", true, 56 * time.Minute, 55 * time.Minute},
		{"by a clock that was set back", true, 30 * time.Minute, 30 * time.Minute},
		{"a minute later", true, 31 * time.Minute, 30 * time.Minute},
	} {
		if got := warn(step.last, start.Add(step.now)); !got.Equal(start.Add(step.want)) {
			t.Errorf("%s: told since %s, want %s", step.name, got, start.Add(step.want))
		}
	}
}

// A box that fell asleep by a clock ahead is not to sleep for longer than it may.
func TestSleepOfTheFutureCountsFromNow(t *testing.T) {
	d := devServer()
	asleep := func(now time.Time) *metav1.Time {
		o := status.Observed{StatefulSet: set(), Lifecycle: &lifecycle.Decision{Cause: devv1.ReasonIdle}}
		d.Status = status.Compute(d, o, now)
		return d.Status.SuspendedAt
	}
	day := 24 * time.Hour
	for _, step := range []struct{ now, want time.Duration }{{day, day}, {day + time.Hour, day}, {2 * time.Hour, 2 * time.Hour}, {3 * time.Hour, 2 * time.Hour}} {
		if got := asleep(start.Add(step.now)); !got.Time.Equal(start.Add(step.want)) {
			t.Errorf("%s after its start: asleep since %s, want %s", step.now, got, start.Add(step.want))
		}
	}
}

// What an agent counts wrong, or makes up, is never less than what was said.
func TestCountersOfALyingAgent(t *testing.T) {
	d := devServer()
	for _, step := range []struct {
		edit       func(*corev1.Pod)
		says, want int64
	}{
		{func(*corev1.Pod) {}, -5, 0},
		{func(*corev1.Pod) {}, 2, 2},
		{func(*corev1.Pod) {}, 1, 2},
		{func(*corev1.Pod) {}, -1 << 63, 2},
		{func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: now} }, -5, 0},
		{func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: now} }, 1, 1},
	} {
		o := status.Observed{StatefulSet: set(), Pod: pod(podReady, step.edit), Report: &agentapi.Report{OOMKills: step.says}}
		if d.Status = status.Compute(d, o, start.Time); d.Status.OOMKills != step.want {
			t.Errorf("the agent says %d: status.oomKills is %d, want %d", step.says, d.Status.OOMKills, step.want)
		}
	}
}

// Of a node that was lost people read what happened, and not what an admin was
// to do about it. What follows from that is no cause of its own.
func TestLostNodeIsRememberedAsTheCause(t *testing.T) {
	d := devServer(ranBefore)
	for _, o := range []status.Observed{
		{StatefulSet: set(), Pod: pod(), NodeLost: true},
		{StatefulSet: set(), Pod: pod(removedWithItsNode), NodeGone: true},
		{StatefulSet: set()},
		{StatefulSet: set(), Left: pod(removedWithItsNode)},
		{StatefulSet: set(), Pod: pod(podReady)},
	} {
		d.Status = status.Compute(d, o, start.Time)
		if was := d.Status.LastDisruption; was.Reason != devv1.ReasonNodeLost || was.Message != "The node node-1 stopped answering." {
			t.Errorf("the disruption is %+v", was)
		}
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Left: pod(removedWithItsNode)}, start.Add(time.Hour))
	if was := d.Status.LastDisruption; was.Reason != devv1.ReasonEvicted {
		t.Errorf("an hour later it is evicted, and the disruption is still %+v", was)
	}
}

// A pod that was put out may have a successor before anybody looks. What was said
// of it while there was none is not said again.
func TestDisruptionBeforeTheNextPod(t *testing.T) {
	later := start.Add(time.Minute)
	for name, test := range map[string]struct {
		seen *status.Observed
		want time.Time
	}{
		"nobody looked":      {nil, later},
		"seen while it went": {&status.Observed{StatefulSet: set(), Left: pod(removedWithItsNode)}, start.Time},
	} {
		d := devServer(ranBefore)
		if test.seen != nil {
			d.Status = status.Compute(d, *test.seen, start.Time)
		}
		d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Left: pod(removedWithItsNode), Pod: pod(podReady)}, later)
		if was := d.Status.LastDisruption; was == nil || was.Reason != devv1.ReasonEvicted || !was.Time.Time.Equal(test.want) {
			t.Errorf("%s: the disruption is %+v", name, was)
		}
		if d.Status.Phase != devv1.PhaseRunning {
			t.Errorf("%s: the box is %s", name, d.Status.Phase)
		}
	}
}

func TestDisruptionIsRemembered(t *testing.T) {
	d := devServer()
	ended := pod(boxStatus(corev1.ContainerStatus{State: terminated(137, "OOMKilled", "")}))
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: ended}, start.Time)
	first := d.Status.LastDisruption
	if first == nil || first.Reason != devv1.ReasonOOMKilled || !first.Time.Equal(&start) {
		t.Fatalf("a box that ran out of memory has the disruption %+v", first)
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: ended}, start.Add(time.Hour))
	if !d.Status.LastDisruption.Time.Equal(&start) {
		t.Error("the same disruption counts again")
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady)}, start.Add(time.Hour))
	if d.Status.LastDisruption == nil {
		t.Error("it is forgotten once the box is back")
	}
	policy := policy.Policy{IdleTimeout: 2 * time.Hour}
	if notice := status.Notice(d, policy, start.Add(2*time.Hour)); !strings.Contains(notice, "was interrupted") || !strings.Contains(notice, "after 2h without work") {
		t.Errorf("at login it is said: %q", notice)
	}
	if notice := status.Notice(d, policy, start.Add(25*time.Hour)); strings.Contains(notice, "interrupted") {
		t.Errorf("at login it is still said: %q", notice)
	}
}
