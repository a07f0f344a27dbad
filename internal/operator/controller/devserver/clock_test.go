package devserver_test

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// overdue makes a server whose idle timeout was shortened to one that is already
// over. Only the last warning still delays its suspension.
func (w *world) overdue() {
	w.t.Helper()
	w.runningWithIdleTimeout()
	w.stayIdle(40 * time.Minute)
	w.settled()
	w.edit(func(s *devv1.DevServerSpec) {
		s.Lifecycle = &devv1.LifecycleSpec{IdleTimeout: lasting(15 * time.Minute)}
	})
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "will be suspended at")
}

// The operator's clock was ahead, and is set back right after the last warning. The
// server is suspended five minutes later by the new time; it does not run until the
// time at which it was warned comes again.
func TestClockIsSetBackAfterTheLastWarning(t *testing.T) {
	w := newWorld(t)
	w.overdue()
	w.clock.SetTime(w.clock.Now().Add(-20 * time.Minute))
	w.stayIdle(0)
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.stayIdle(2 * time.Minute)
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.stayIdle(3 * time.Minute)
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonIdle)
	w.wantReplicas(0)
}

// If the last warning was missed, because the clock was set forward or the operator did
// not run, it is given late, and the suspension waits for it.
func TestMissedLastWarningIsGivenLate(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.stayIdle(50 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, "will be suspended at")
	w.stayIdle(30 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "will be suspended at")
	if len(w.agent.drains) > 0 {
		t.Errorf("drained before the last warning: %v", w.agent.drains)
	}
	w.stayIdle(5 * time.Minute)
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonIdle)
}

// Resuming a server counts as activity, even if its pod had not stopped yet.
func TestResumedBeforeItStoppedCountsAsActive(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true })
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonSuspended)
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = false })
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
	if at, resumed := w.lease().Spec.RenewTime, w.clock.Now().Truncate(time.Microsecond); at == nil || !at.Time.Equal(resumed) {
		t.Errorf("the Lease has the renewTime %s, want %s", at, resumed)
	}
	w.stayIdle(43 * time.Minute)
	if d := w.settled(); meta.IsStatusConditionTrue(d.Status.Conditions, devv1.ConditionStopPending) || d.Status.SuspendsAt == nil {
		t.Errorf("%s after it was resumed, its status is %+v", 43*time.Minute, d.Status)
	}
	w.wantReplicas(1)
}
