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

func TestSuspended(t *testing.T) {
	for name, tc := range map[string]struct {
		cause   string
		failure string
		pod     *corev1.Pod
		lost    bool
		phase   devv1.DevServerPhase
		reason  string
		message string
	}{
		"by its owner": {cause: devv1.ReasonSuspended, phase: devv1.PhaseSuspended, reason: devv1.ReasonSuspended, message: "devctl start alice"},
		"idle":         {cause: devv1.ReasonIdle, phase: devv1.PhaseSuspended, reason: devv1.ReasonIdle, message: "devctl start alice"},
		"idle without an image": {
			cause: devv1.ReasonIdle, failure: devv1.ReasonImagePullFailed, phase: devv1.PhaseSuspended, reason: devv1.ReasonIdle,
			message: ", because its container could not run: ImagePullFailed. It wakes when you connect, or with: devctl start alice",
		},
		"by its schedule":        {cause: devv1.ReasonScheduled, phase: devv1.PhaseSuspended, reason: devv1.ReasonScheduled, message: "It starts at its schedule's start, when you connect, or with: devctl start alice"},
		"expired":                {cause: devv1.ReasonExpired, phase: devv1.PhaseExpired, reason: devv1.ReasonExpired, message: "devctl start alice"},
		"stopping":               {cause: devv1.ReasonIdle, pod: pod(podReady), phase: devv1.PhaseSuspending, reason: devv1.ReasonIdle},
		"stopping, expired":      {cause: devv1.ReasonExpired, pod: pod(podReady), phase: devv1.PhaseSuspending, reason: devv1.ReasonExpired},
		"its node is lost":       {cause: devv1.ReasonIdle, pod: pod(podReady), lost: true, phase: devv1.PhaseSuspending, reason: devv1.ReasonNodeLost, message: "node-1"},
		"evicted time and again": {cause: devv1.ReasonEvicted, phase: devv1.PhaseFailed, reason: devv1.ReasonEvicted, message: "three times in ten minutes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := status.Compute(devServer(), status.Observed{
				StatefulSet: set(), Pod: tc.pod, NodeLost: tc.lost, Lifecycle: &lifecycle.Decision{Cause: tc.cause, StartFailure: tc.failure},
			}, start.Time)
			ready := meta.FindStatusCondition(s.Conditions, devv1.ConditionReady)
			if s.Phase != tc.phase || ready.Reason != tc.reason || ready.Status != metav1.ConditionFalse || !strings.Contains(ready.Message, tc.message) {
				t.Errorf("%s, %s: %s", s.Phase, ready.Reason, ready.Message)
			}
			if counts := tc.pod == nil && tc.cause != devv1.ReasonEvicted; counts != (s.SuspendedAt != nil) {
				t.Errorf("suspendedAt is %v", s.SuspendedAt)
			}
		})
	}
}

// status.activity changes when its meaning does, and not with each minute.
func TestActivityChangesOnTransitionsOnly(t *testing.T) {
	d := devServer()
	at := start.Time
	activity := func(decision lifecycle.Decision) string {
		decision.Run, decision.TracksActivity = true, true
		d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady), Lifecycle: &decision}, at)
		at = at.Add(time.Minute)
		return d.Status.Activity
	}
	active := func() lifecycle.Decision {
		return lifecycle.Decision{Activity: &lifecycle.Activity{Last: at, Within: 10 * time.Minute}}
	}
	idle := func(stop time.Time) lifecycle.Decision {
		return lifecycle.Decision{Activity: &lifecycle.Activity{State: lifecycle.Idle, Last: start.Time}, SuspendsAt: stop}
	}
	stop := start.Add(2 * time.Hour)

	first := activity(active())
	if again := activity(active()); !strings.Contains(first, "active within the last 10m") || again != first {
		t.Errorf("active: %q, then %q", first, again)
	}
	if known := activity(lifecycle.Decision{}); known != first {
		t.Errorf("an operator that has not asked the agent yet reports %q", known)
	}
	first = activity(idle(stop))
	if again := activity(idle(stop)); !strings.Contains(first, "Idle since") || again != first {
		t.Errorf("idle: %q, then %q", first, again)
	}
	if moved := activity(idle(stop.Add(time.Hour))); moved == first {
		t.Errorf("another time of the stop is not reported: %q", moved)
	}
	keptAwake := func(until time.Time) lifecycle.Decision {
		return lifecycle.Decision{Activity: &lifecycle.Activity{State: lifecycle.KeptAwake, Last: at, KeptAwakeUntil: until}}
	}
	first = activity(keptAwake(stop))
	if longer := activity(keptAwake(stop.Add(time.Hour))); longer == first {
		t.Errorf("another end of keeping awake is not reported: %q", longer)
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive); c.Reason != devv1.ReasonKeptAwake || c.Message != d.Status.Activity {
		t.Errorf("the condition is %+v", c)
	}
	activity(lifecycle.Decision{Activity: &lifecycle.Activity{State: lifecycle.Unknown}})
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive); c.Status != metav1.ConditionUnknown || c.Reason != devv1.ReasonAgentUnreachable {
		t.Errorf("the condition is %+v", c)
	}
}

// When a server stops being Ready, its status reports neither an activity nor a
// stop.
func TestNotReadyReportsNoActivity(t *testing.T) {
	d := devServer()
	stop := start.Add(2 * time.Hour)
	idle := lifecycle.Decision{
		Run: true, TracksActivity: true, SuspendsAt: stop, Activity: &lifecycle.Activity{State: lifecycle.Idle, Last: start.Time},
		Warning: &lifecycle.Warning{At: stop, Cause: devv1.ReasonIdle},
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady), Lifecycle: &idle}, start.Time)
	if d.Status.Activity == "" || d.Status.SuspendsAt == nil || !meta.IsStatusConditionTrue(d.Status.Conditions, devv1.ConditionStopPending) {
		t.Fatalf("the status of an idle server is %+v", d.Status)
	}
	unknown := lifecycle.Decision{Run: true, TracksActivity: true}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(), Lifecycle: &unknown}, start.Time)
	if d.Status.Activity != "" || d.Status.SuspendsAt != nil || meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionActive) != nil {
		t.Errorf("the status of a server that is not Ready any more is %+v", d.Status)
	}
	if c := meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionStopPending); c.Status != metav1.ConditionFalse {
		t.Errorf("its stop is reported as near: %s", c.Message)
	}
}

// A stop waits until the last warning is some minutes old. If the operator's clock
// was ahead when it warned and was set back since, the warning counts from now.
func TestLastWarningHasItsOwnTime(t *testing.T) {
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
			t.Errorf("%s: warned since %s, want %s", step.name, got, start.Add(step.want))
		}
	}
}

// A server that was suspended while the clock was ahead is not deleted later for
// that.
func TestSuspendedInTheFutureCountsFromNow(t *testing.T) {
	d := devServer()
	suspendedAt := func(now time.Time) *metav1.Time {
		o := status.Observed{StatefulSet: set(), Lifecycle: &lifecycle.Decision{Cause: devv1.ReasonIdle}}
		d.Status = status.Compute(d, o, now)
		return d.Status.SuspendedAt
	}
	day := 24 * time.Hour
	for _, step := range []struct{ now, want time.Duration }{{day, day}, {day + time.Hour, day}, {2 * time.Hour, 2 * time.Hour}, {3 * time.Hour, 2 * time.Hour}} {
		if got := suspendedAt(start.Add(step.now)); !got.Time.Equal(start.Add(step.want)) {
			t.Errorf("%s after its start: suspended since %s, want %s", step.now, got, start.Add(step.want))
		}
	}
}

// A counter never decreases, whatever an agent reports.
func TestCounterOfAWrongAgent(t *testing.T) {
	d := devServer()
	for _, step := range []struct {
		edit           func(*corev1.Pod)
		reported, want int64
	}{
		{func(*corev1.Pod) {}, -5, 0},
		{func(*corev1.Pod) {}, 2, 2},
		{func(*corev1.Pod) {}, 1, 2},
		{func(*corev1.Pod) {}, -1 << 63, 2},
		{func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: now} }, -5, 0},
		{func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: now} }, 1, 1},
	} {
		o := status.Observed{StatefulSet: set(), Pod: pod(podReady, step.edit), Report: &agentapi.Report{OOMKills: step.reported}}
		if d.Status = status.Compute(d, o, start.Time); d.Status.OOMKills != step.want {
			t.Errorf("the agent reports %d: status.oomKills is %d, want %d", step.reported, d.Status.OOMKills, step.want)
		}
	}
}

// After the loss of a node, status.lastDisruption says what happened, without what
// an admin had to do about it. The eviction that follows is no cause of its own.
func TestLostNodeStaysTheCause(t *testing.T) {
	d := devServer(ranBefore)
	for _, o := range []status.Observed{
		{StatefulSet: set(), Pod: pod(), NodeLost: true},
		{StatefulSet: set(), Pod: pod(removedWithItsNode), NodeGone: true},
		{StatefulSet: set()},
		{StatefulSet: set(), Disrupted: pod(removedWithItsNode)},
		{StatefulSet: set(), Pod: pod(podReady)},
	} {
		d.Status = status.Compute(d, o, start.Time)
		if was := d.Status.LastDisruption; was.Reason != devv1.ReasonNodeLost || was.Message != "The node node-1 stopped answering." {
			t.Errorf("the disruption is %+v", was)
		}
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Disrupted: pod(removedWithItsNode)}, start.Add(time.Hour))
	if was := d.Status.LastDisruption; was.Reason != devv1.ReasonEvicted {
		t.Errorf("an hour later it is evicted, and the disruption is still %+v", was)
	}
}

// A pod that was evicted may have a successor before the next pass. A disruption that
// was reported before is not reported again.
func TestDisruptionBeforeTheNextPod(t *testing.T) {
	later := start.Add(time.Minute)
	for name, test := range map[string]struct {
		seen *status.Observed
		want time.Time
	}{
		"not seen before":    {nil, later},
		"seen without a pod": {&status.Observed{StatefulSet: set(), Disrupted: pod(removedWithItsNode)}, start.Time},
	} {
		d := devServer(ranBefore)
		if test.seen != nil {
			d.Status = status.Compute(d, *test.seen, start.Time)
		}
		d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Disrupted: pod(removedWithItsNode), Pod: pod(podReady)}, later)
		if was := d.Status.LastDisruption; was == nil || was.Reason != devv1.ReasonEvicted || !was.Time.Time.Equal(test.want) {
			t.Errorf("%s: the disruption is %+v", name, was)
		}
		if d.Status.Phase != devv1.PhaseRunning {
			t.Errorf("%s: the server is %s", name, d.Status.Phase)
		}
	}
}

func TestDisruptionIsKept(t *testing.T) {
	d := devServer()
	ended := pod(serverStatus(corev1.ContainerStatus{State: terminated(137, "OOMKilled", "")}))
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: ended}, start.Time)
	first := d.Status.LastDisruption
	if first == nil || first.Reason != devv1.ReasonOOMKilled || !first.Time.Equal(&start) {
		t.Fatalf("a server that ran out of memory has the disruption %+v", first)
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: ended}, start.Add(time.Hour))
	if !d.Status.LastDisruption.Time.Equal(&start) {
		t.Error("the same disruption counts again")
	}
	d.Status = status.Compute(d, status.Observed{StatefulSet: set(), Pod: pod(podReady)}, start.Add(time.Hour))
	if d.Status.LastDisruption == nil {
		t.Error("the disruption is removed once the server runs again")
	}
	policy := policy.Policy{IdleTimeout: 2 * time.Hour}
	if notice := status.Notice(d, policy, start.Add(2*time.Hour)); !strings.Contains(notice, "was interrupted") || !strings.Contains(notice, "after being idle for 2h") {
		t.Errorf("the notice is %q", notice)
	}
	if notice := status.Notice(d, policy, start.Add(25*time.Hour)); strings.Contains(notice, "interrupted") {
		t.Errorf("a day later, the notice is %q", notice)
	}
}

// The main process starts again so soon beside the SSH server that no status may show
// the pod as not Ready. The server was interrupted all the same.
func TestDisruptionThatNoStatusShowed(t *testing.T) {
	again := func(ended time.Time) status.Observed {
		last := terminated(137, "OOMKilled", "")
		last.Terminated.FinishedAt = metav1.NewTime(ended)
		running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		return status.Observed{StatefulSet: set(), Pod: pod(podReady, limited,
			serverStatus(corev1.ContainerStatus{State: running, Ready: true, LastTerminationState: last}), sshStatus(corev1.ContainerStatus{State: running, Ready: true}))}
	}
	d := devServer(ranBefore)
	noticed := start.Add(time.Minute)
	d.Status = status.Compute(d, again(start.Time), noticed)
	was := d.Status.LastDisruption
	if d.Status.Phase != devv1.PhaseRunning || was == nil || was.Reason != devv1.ReasonOOMKilled || !was.Time.Time.Equal(noticed) {
		t.Fatalf("the server is %s, its disruption %+v", d.Status.Phase, was)
	}
	for name, ended := range map[string]time.Time{"the same": start.Time, "the same, by a clock that is ahead": noticed.Add(20 * time.Second)} {
		if got := status.Compute(d, again(ended), noticed.Add(time.Hour)).LastDisruption; !got.Time.Time.Equal(noticed) {
			t.Errorf("%s: the disruption counts again", name)
		}
	}
	later := noticed.Add(2 * time.Hour)
	if got := status.Compute(d, again(noticed.Add(time.Hour)), later).LastDisruption; !got.Time.Time.Equal(later) {
		t.Error("the next one does not count")
	}
}
