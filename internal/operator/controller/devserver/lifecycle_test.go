package devserver_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
)

func lasting(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }

// runningWithIdleTimeout makes a running server with an idle timeout of an hour.
func (w *world) runningWithIdleTimeout() {
	w.t.Helper()
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Lifecycle = &devv1.LifecycleSpec{IdleTimeout: lasting(time.Hour)}
	})
	w.create(w.devServer())
	w.reconcile()
	w.startPod()
	w.reconcile()
	w.poll()
}

// suspendedForBeingIdle makes a server that was suspended for being idle.
func (w *world) suspendedForBeingIdle() {
	w.t.Helper()
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.stayIdle(11 * time.Minute)
	w.reconcile()
	w.stopPod()
	w.settled()
}

// idleUntilLastWarning lets the server be idle until four minutes before it is
// suspended.
func (w *world) idleUntilLastWarning() {
	w.t.Helper()
	w.stayIdle(50 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, "")
	w.stayIdle(6 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "")
}

// stayIdle lets time pass, in which the server is idle. Its agent is polled both
// before and after a pass.
func (w *world) stayIdle(d time.Duration) {
	w.t.Helper()
	w.passTime(d)
	w.poll()
}

// passTime lets time pass, in which the server is idle, and polls its agent. It makes
// no pass.
func (w *world) passTime(d time.Duration) {
	w.clock.SetTime(w.clock.Now().Add(d))
	w.agent.idle += d.Seconds()
	w.r.Poller.Ask(w.t.Context(), w.key())
}

func (w *world) lease() *coordinationv1.Lease {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	w.get(lease, "trainer")
	return lease
}

// patchLease edits the Lease, as devctl, the gateway or kubectl would.
func (w *world) patchLease(spec string) {
	w.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer"}}
	if err := w.c.Patch(w.t.Context(), lease, client.RawPatch(types.MergePatchType, []byte(spec))); err != nil {
		w.t.Fatalf("patching the Lease: %v", err)
	}
}

// wake renews the Lease, as a connection would.
func (w *world) wake(at time.Time) {
	w.t.Helper()
	w.patchLease(fmt.Sprintf(`{"spec":{"renewTime":%q}}`, at.UTC().Format("2006-01-02T15:04:05.000000Z")))
}

func (w *world) wantReplicas(n int32) {
	w.t.Helper()
	set := &appsv1.StatefulSet{}
	w.get(set, "trainer")
	if *set.Spec.Replicas != n {
		w.t.Errorf("the StatefulSet has %d replicas, want %d", *set.Spec.Replicas, n)
	}
}

// stopPod deletes the pod, as the StatefulSet controller and the kubelet do at 0
// replicas.
func (w *world) stopPod() {
	w.t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer-0"}}
	if err := w.c.Delete(w.t.Context(), pod, client.GracePeriodSeconds(0)); err != nil {
		w.t.Fatalf("deleting the pod: %v", err)
	}
}

func (w *world) wantPhase(want devv1.DevServerPhase, reason string) *devv1.DevServer {
	w.t.Helper()
	d := w.settled()
	if d.Status.Phase != want {
		w.t.Errorf("the phase is %s, want %s", d.Status.Phase, want)
	}
	state := metav1.ConditionFalse
	if want == devv1.PhaseRunning {
		state = metav1.ConditionTrue
	}
	w.wantCondition(d, devv1.ConditionReady, state, reason, "")
	return d
}

func (w *world) wantEvent(part string) {
	w.t.Helper()
	var seen []string
	for {
		select {
		case e := <-w.events.Events:
			if strings.Contains(e, part) {
				return
			}
			seen = append(seen, e)
		default:
			w.t.Errorf("no event contains %q; the events are %q", part, seen)
			return
		}
	}
}

func TestSuspendAndResume(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true })
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonSuspended)
	w.wantReplicas(0)
	w.stopPod()
	d := w.wantPhase(devv1.PhaseSuspended, devv1.ReasonSuspended)
	if d.Status.SuspendedAt == nil || d.Status.SSH.Port == 0 || d.Status.PodIP != "" {
		t.Errorf("the status of a suspended server is %+v", d.Status)
	}
	w.wantEvent("Normal Suspended")

	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = false })
	w.reconcile()
	w.wantReplicas(1)
	w.startPod()
	if d := w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering); d.Status.SuspendedAt != nil {
		t.Errorf("status.suspendedAt of a running server is %s, want none", d.Status.SuspendedAt)
	}
}

func TestCreatedSuspended(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Suspend = true }))
	w.wantPhase(devv1.PhaseSuspended, devv1.ReasonSuspended)
	w.wantReplicas(0)
}

// An active server becomes idle, is suspended, and wakes, with the status, warnings
// and events of each step.
func TestIdleServerIsSuspendedAndWakes(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	d := w.settled()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionTrue, devv1.ReasonActive, "Started, resumed or active within the last 10m.")
	if w.lease().Spec.RenewTime == nil {
		t.Error("the Lease has no renewTime")
	}

	w.stayIdle(40 * time.Minute)
	d = w.settled()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionFalse, devv1.ReasonIdle, "Suspended at ")
	if d.Status.SuspendsAt == nil || d.Status.Activity == "" {
		t.Errorf("the status of an idle server is %+v", d.Status)
	}
	w.stayIdle(6 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, "will be suspended at")
	w.stayIdle(10 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "will be suspended at")
	w.poll()
	if !strings.Contains(w.agent.instructions.Warning, "will be suspended at") || !strings.Contains(w.agent.instructions.Notice, "after being idle for 1h") {
		t.Errorf("the agent receives %+v", w.agent.instructions)
	}
	w.wantEvent("Normal StopSoon")
	w.wantEvent("Normal StopImminent")
	if len(w.agent.drains) > 0 {
		t.Errorf("the agent is drained too early: %v", w.agent.drains)
	}

	w.stayIdle(5 * time.Minute)
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonIdle)
	w.wantReplicas(0)
	w.stopPod()
	d = w.wantPhase(devv1.PhaseSuspended, devv1.ReasonIdle)
	if d.Status.Activity != "" || d.Status.SuspendsAt != nil {
		t.Errorf("the status of a suspended server is %+v", d.Status)
	}

	// A client whose clock is an hour behind wakes it too.
	w.wake(w.clock.Now().Add(-time.Hour))
	w.reconcile()
	w.wantReplicas(1)
	if s := w.lease().Annotations[lease.AnnotationSuspension]; s != "" {
		t.Errorf("the Lease of a resumed server still has the suspension %s", s)
	}
	w.startPod()
	w.agent.idle = 0
	w.reconcile()
	w.poll()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
}

// Activity after the last poll counts: the agent refuses the drain.
func TestAgentHasTheLastWord(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.idle = 3 // The user typed after the poll.
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
	if len(w.agent.drains) != 1 {
		t.Errorf("the agent is drained %d times, want once", len(w.agent.drains))
	}
}

// Edits do not resume a server that is suspended for being idle, not even two edits
// between two passes. Only spec.restartedAt and the Lease do.
func TestEditsDoNotResume(t *testing.T) {
	w := newWorld(t)
	w.suspendedForBeingIdle()
	w.edit(func(s *devv1.DevServerSpec) { s.Env = []devv1.EnvVar{{Name: "A", Value: "b"}} })
	w.wantPhase(devv1.PhaseSuspended, devv1.ReasonIdle)
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true })
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = false })
	w.wantPhase(devv1.PhaseSuspended, devv1.ReasonIdle)
	w.wantReplicas(0)
	w.edit(func(s *devv1.DevServerSpec) { s.RestartedAt = &metav1.Time{Time: w.clock.Now()} })
	w.reconcile()
	w.wantReplicas(1)
	if s := w.lease().Annotations[lease.AnnotationSuspension]; s != "" {
		t.Errorf("the Lease of a restarted server still has the suspension %s", s)
	}
	w.startPod()
	w.agent.idle = 0
	w.reconcile()
	w.poll()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
}

func TestServerWithUnreachableAgentCountsAsActive(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.agent.silent = true
	for range 3 {
		w.stayIdle(time.Minute)
	}
	w.stayIdle(50 * time.Hour)
	d := w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonAgentUnreachable, "does not answer")
	w.wantReplicas(1)
}

// A server whose agent stops answering when it is drained is not suspended.
func TestAgentUnreachableAtDrain(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.silent = true
	w.reconcile()
	w.wantReplicas(1)
	w.wantCondition(w.settled(), devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonAgentUnreachable, "")
}

// If a user connects between the drain and the record of the suspension, the server
// keeps running.
func TestConnectionDuringSuspension(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.agent.onDrain = func() { w.wake(w.clock.Now()) }
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.idle += 660
	w.reconcile()
	if !w.agent.released {
		t.Error("the agent still refuses the session that renewed the Lease")
	}
	if w.lease().Annotations[lease.AnnotationSuspension] != "" {
		t.Error("a suspension is recorded although the Lease was renewed")
	}
	w.agent.onDrain = nil
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
}

// If a user connects in the moment in which the suspension is recorded, the server keeps
// running too: the Lease has changed since the pass read it.
func TestConnectionWhileTheSuspensionIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.passTime(11 * time.Minute)
	w.failWrite = func(what string) error {
		if what == "patch *v1.Lease" && len(w.agent.drains) == 1 {
			w.failWrite = nil
			w.wake(w.clock.Now())
		}
		return nil
	}
	w.reconcile()
	if !w.agent.released || len(w.agent.drains) != 1 {
		t.Errorf("the agent is drained %d times, and released: %t", len(w.agent.drains), w.agent.released)
	}
	if w.suspension() != "" {
		t.Error("a suspension is recorded although the Lease was renewed")
	}
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
}

// While the agent is asked, nothing is written and its instructions stay. It is asked
// once, however many passes there are.
func TestPassesWhileTheAgentIsAsked(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.passTime(11 * time.Minute)
	warning := w.agent.instructions.Warning
	w.writes = nil
	for range 3 {
		if result, err := w.pass(); err != nil || result.RequeueAfter == 0 || result.RequeueAfter > time.Minute {
			t.Errorf("the pass requeues after %s, %v", result.RequeueAfter, err)
		}
	}
	w.r.Poller.Ask(t.Context(), w.key())
	if len(w.writes) > 0 || len(w.agent.drains) > 0 || w.agent.instructions.Warning != warning || warning == "" {
		t.Errorf("it writes %v, drains %d times, and shows the warning %q", w.writes, len(w.agent.drains), w.agent.instructions.Warning)
	}
	w.reconcile()
	w.wantReplicas(0)
	if len(w.agent.drains) != 1 || w.agent.released {
		t.Errorf("the agent is drained %d times, and released: %t", len(w.agent.drains), w.agent.released)
	}
	if len(w.writes) != 3 {
		t.Errorf("the suspension writes %v, want the Lease, the StatefulSet and the status", w.writes)
	}
}

// A pass that comes late does not rely on an agreement that is about to end.
func TestOldAgreementDoesNotCount(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.passTime(11 * time.Minute)
	if _, err := w.pass(); err != nil || !w.answer() {
		t.Fatalf("the agent is not asked: %v", err)
	}
	w.passTime(agentapi.DrainTime / 2)
	if _, err := w.pass(); err != nil {
		t.Fatal(err)
	}
	w.wantReplicas(1)
	w.reconcile()
	w.wantReplicas(0)
	if len(w.agent.drains) != 2 {
		t.Errorf("the agent is drained %d times, want twice", len(w.agent.drains))
	}
}

func TestOnlyTheOwnerRestartsAnExpiredServer(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour)}
	}))
	w.reconcile()
	w.startPod()
	if d := w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering); d.Status.ExpiresAt == nil {
		t.Error("status.expiresAt is empty")
	}
	for _, untilWarning := range []time.Duration{50 * time.Minute, 6 * time.Minute} {
		w.clock.SetTime(w.clock.Now().Add(untilWarning))
		w.settled()
	}
	w.clock.SetTime(w.clock.Now().Add(5 * time.Minute))
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonExpired)
	w.stopPod()
	w.wantPhase(devv1.PhaseExpired, devv1.ReasonExpired)
	w.wake(w.clock.Now())
	w.wantPhase(devv1.PhaseExpired, devv1.ReasonExpired)
	w.wantReplicas(0)
	w.edit(func(s *devv1.DevServerSpec) { s.RestartedAt = &metav1.Time{Time: w.clock.Now()} })
	w.reconcile()
	w.wantReplicas(1)
}

// A server that only has a time to live has a Lease too. Keeping it awake defers its
// expiry.
func TestKeepAwakeDefersTheExpiry(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour)}
	}))
	w.reconcile()
	w.startPod()
	before := w.settled().Status.ExpiresAt
	if w.lease().Spec.RenewTime == nil {
		t.Error("the Lease has no renewTime")
	}
	now := w.clock.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	w.patchLease(fmt.Sprintf(`{"spec":{"acquireTime":%q,"leaseDurationSeconds":21600}}`, now))
	if after := w.settled().Status.ExpiresAt; before == nil || after == nil || after.Sub(before.Time) < 4*time.Hour {
		t.Errorf("kept awake for six hours, it expires at %s; otherwise at %s", after, before)
	}
}

// A restarted operator writes nothing, although it computes the last activity again,
// with a difference of the time that the agent's answer takes.
func TestRestartedOperatorKeepsTimes(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.clock.SetTime(w.clock.Now().Add(10 * time.Minute))
	w.poll() // The server is active.
	w.stayIdle(40 * time.Minute)
	before := w.settled().Status
	w.r.Poller = w.pollerOf(w.agent)
	w.reconcile()
	w.agent.idle -= 1.3
	w.r.Poller.Ask(t.Context(), w.key())
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("it writes %v; the activity is %q, and was %q", writes, w.read().Status.Activity, before.Activity)
	}
}

func TestExpiredServerIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour), OnExpire: devv1.ExpireDelete}
	}))
	w.reconcile()
	w.startPod()
	w.reconcile()
	w.clock.SetTime(w.clock.Now().Add(61 * time.Minute))
	w.settled() // There was no warning yet, and it comes first.
	w.clock.SetTime(w.clock.Now().Add(5 * time.Minute))
	w.reconcile()
	w.absent(&devv1.DevServer{}, "trainer")
	w.wantEvent("It reached its time to live. Its home directory is kept.")
}

func TestSuspendedServerIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Suspend = true
		d.Spec.Lifecycle = &devv1.LifecycleSpec{DeleteAfterSuspended: lasting(time.Hour)}
	}))
	w.settled()
	d := w.settled()
	if d.Status.DeletesAt == nil {
		t.Fatal("status.deletesAt is empty")
	}
	w.clock.SetTime(d.Status.DeletesAt.Time)
	w.reconcile()
	w.absent(&devv1.DevServer{}, "trainer")
}

// A server whose flavor does not exist can be suspended.
func TestServerWithAProblemIsSuspended(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor, s.Suspend = "nonesuch", true })
	d := w.settled()
	w.wantReplicas(0)
	w.wantCondition(d, devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonFlavorNotFound, "")
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonSuspended, "")
}

func TestLifecycleBeyondBounds(t *testing.T) {
	w := newWorld(t)
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.LifecycleBounds = &devv1.LifecycleBounds{TimeToLive: &devv1.DurationBounds{Max: lasting(48 * time.Hour)}}
	})
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(100 * time.Hour)}
	}))
	d := w.settled()
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonLifecycleNotAllowed,
		"spec.lifecycle.timeToLive is 100h: DevServerFlavor flavor-"+w.ns+" allows no more than 48h.")
	w.absent(&appsv1.StatefulSet{}, "trainer")
}

func TestFullHomeIsReported(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.agent.report.Home = &agentapi.Room{SizeBytes: 100 << 30, FreeBytes: 50 << 30}
	w.poll()
	if d := w.settled(); len(d.Status.Conditions) != 4 {
		t.Errorf("a home with free space is reported: %+v", d.Status.Conditions)
	}
	w.agent.report.Home.FreeBytes = 1 << 20
	w.poll()
	w.wantCondition(w.settled(), devv1.ConditionHomeFull, metav1.ConditionTrue, devv1.ReasonHomeFull, "1 MiB of 102400 MiB were free")
	w.wantEvent("Warning HomeFull")
	w.agent.report.Home.FreeBytes = 600 << 20 // No longer full, but below the threshold to clear the condition.
	w.poll()
	w.wantCondition(w.settled(), devv1.ConditionHomeFull, metav1.ConditionTrue, devv1.ReasonHomeFull, "")
	w.agent.report.Home.FreeBytes = 2 << 30
	w.poll()
	w.wantCondition(w.settled(), devv1.ConditionHomeFull, metav1.ConditionFalse, devv1.ReasonHomeHasSpace, "")
}

func TestKilledProcessesAreCounted(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.agent.report.OOMKills = 2
	w.poll()
	if d := w.settled(); d.Status.OOMKills != 2 {
		t.Errorf("status.oomKills is %d", d.Status.OOMKills)
	}
	w.wantEvent("killed 2 of its processes")
}

// A Secret that was edited, as its agent reports, is restored, but only after the
// kubelet had time to bring the applied content to the pod.
func TestEditedSecretIsRestored(t *testing.T) {
	w := newWorld(t)
	w.running()
	secret := &corev1.Secret{}
	w.get(secret, "trainer-ssh")
	w.agent.report.SecretHash = agentapi.FilesHash(secret.Data)
	w.stayIdle(10 * time.Minute)
	w.settled()

	secret.Data[agentapi.AuthorizedKeysFile] = []byte("ssh-ed25519 AAAA stranger\n")
	if err := w.c.Update(t.Context(), secret, client.FieldOwner("hand")); err != nil {
		t.Fatal(err)
	}
	w.agent.report.SecretHash = agentapi.FilesHash(secret.Data)
	w.stayIdle(time.Minute)
	w.reconcile()
	w.get(secret, "trainer-ssh")
	if got := string(secret.Data[agentapi.AuthorizedKeysFile]); got != publicKey+"\n" {
		t.Errorf("the Secret has the keys %q", got)
	}
	w.wantEvent("Warning SecretRestored")
	// The kubelet needs time to bring the content, so the Secret is not applied again.
	w.stayIdle(time.Minute)
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("while the kubelet brings the Secret, a pass writes %v", writes)
	}
}

// A server whose Lease's name is taken is not suspended for being idle.
func TestForeignLease(t *testing.T) {
	w := newWorld(t)
	w.create(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer"}})
	w.runningWithIdleTimeout()
	w.reconcile()
	d := w.read()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonObjectConflict, "belongs to another owner")
	if lease := w.lease(); len(lease.OwnerReferences) > 0 || lease.Spec.RenewTime != nil {
		t.Errorf("another owner's Lease was written: %+v", lease)
	}
	w.stayIdle(90 * time.Minute)
	w.reconcile()
	w.wantReplicas(1)

	if err := w.c.Delete(t.Context(), w.lease()); err != nil {
		t.Fatal(err)
	}
	w.reconcile()
	w.wantCondition(w.settled(), devv1.ConditionActive, metav1.ConditionFalse, devv1.ReasonIdle, "")
}

// If the name of the Lease is taken when a suspension is recorded, nothing is recorded,
// and the server keeps running.
func TestForeignLeaseAtSuspension(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	if err := w.c.Delete(t.Context(), w.lease()); err != nil {
		t.Fatal(err)
	}
	w.create(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer"}})
	w.passTime(11 * time.Minute)
	w.reconcile()
	w.wantReplicas(1)
	if len(w.agent.drains) != 1 || !w.agent.released {
		t.Errorf("the agent is drained %d times, want once, and released: %t, want true", len(w.agent.drains), w.agent.released)
	}
	w.reconcile()
	w.wantReplicas(1)
	w.wantCondition(w.read(), devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonObjectConflict, "belongs to another owner")
}

// A server with an object that cannot be applied can be suspended.
func TestServerWithAForeignObjectIsSuspended(t *testing.T) {
	w := newWorld(t)
	w.running()
	service := &corev1.Service{}
	w.get(service, "trainer-ssh")
	service.OwnerReferences = nil
	if err := w.c.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true })
	w.reconcile()
	w.wantReplicas(0)
	w.wantCondition(w.read(), devv1.ConditionAccepted, metav1.ConditionFalse, devv1.ReasonObjectConflict, "")
}

// A lifecycle costs one write, the Lease, on the way to Running.
func TestCreateToRunningWithALifecycle(t *testing.T) {
	w := newWorld(t)
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour), IdleTimeout: lasting(time.Hour)}
	})
	w.create(w.devServer())
	_, first := w.reconcile()
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("a pass while the pod is awaited writes %v", writes)
	}
	w.startPod()
	_, second := w.reconcile()
	// The last write is the Lease, after the status.
	if n := len(first) + len(second); n != 7 || second[len(second)-1] != "create *v1.Lease" {
		t.Errorf("%d writes, want 7, the Lease last: %v, %v", n, first, second)
	}
}

func TestServerWithOutdatedAgentCountsAsActive(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.agent.err = agentapi.ErrUnsupported
	w.stayIdle(90 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonAgentOutdated, "too old to report activity")
	w.wantReplicas(1)
}

// Kubernetes itself replaces an evicted pod at once, however often that happens. The
// operator delays the next pod.
func TestServerThatIsEvictedAgainAndAgainIsDelayed(t *testing.T) {
	w := newWorld(t)
	w.running()
	for i := range 3 {
		pod := &corev1.Pod{}
		w.get(pod, "trainer-0")
		pod.Status.Phase, pod.Status.Reason, pod.Status.Message = corev1.PodFailed, "Evicted", "The node was low on resource: memory."
		pod.Status.Conditions = nil
		if err := w.c.Status().Update(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
		w.settled()
		w.wantReplicas(map[bool]int32{true: 0, false: 1}[i == 2])
		w.stopPod()
		if i < 2 {
			w.startPod()
			w.settled()
		}
	}
	d := w.wantPhase(devv1.PhaseFailed, devv1.ReasonEvicted)
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonEvicted, "low on resource: memory")
	w.clock.SetTime(w.clock.Now().Add(time.Minute))
	w.reconcile()
	w.wantReplicas(1)
	w.startPod()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
}

// While a server is active, or may be, the annotations of its pod ask autoscalers not
// to evict it.
func TestAutoscalersDoNotEvictActiveServers(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	annotations := func() string {
		pod := &corev1.Pod{}
		w.get(pod, "trainer-0")
		return pod.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] + " " + pod.Annotations["karpenter.sh/do-not-disrupt"]
	}
	w.settled()
	if got := annotations(); got != "false true" {
		t.Errorf("active: %s", got)
	}
	w.stayIdle(20 * time.Minute)
	w.settled()
	if got := annotations(); got != "true false" {
		t.Errorf("idle: %s", got)
	}
	w.agent.idle = 0
	w.poll()
	w.settled()
	if got := annotations(); got != "false true" {
		t.Errorf("active again: %s", got)
	}
}
