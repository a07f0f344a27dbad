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

// watched makes a server that runs and is suspended after an hour without work.
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

// suspended makes a server that was suspended for want of work.
func (w *world) suspendedForBeingIdle() {
	w.t.Helper()
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.stayIdle(11 * time.Minute)
	w.reconcile()
	w.stopPod()
	w.settled()
}

// warned lets the watched server be idle until four minutes before its stop.
func (w *world) idleUntilLastWarning() {
	w.t.Helper()
	w.stayIdle(50 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, "")
	w.stayIdle(6 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "")
}

// later lets time pass, in which the server does no work, and has it asked, with
// a pass before.
func (w *world) stayIdle(d time.Duration) {
	w.t.Helper()
	w.passTime(d)
	w.poll()
}

// pass lets time pass, in which the server does no work, and has it asked.
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

// patchLease does what devctl, the gateway or kubectl does.
func (w *world) patchLease(spec string) {
	w.t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer"}}
	if err := w.c.Patch(w.t.Context(), lease, client.RawPatch(types.MergePatchType, []byte(spec))); err != nil {
		w.t.Fatalf("patching the Lease: %v", err)
	}
}

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

// stopPod does what the StatefulSet controller and the kubelet do at 0 replicas.
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
			w.t.Errorf("no event says %q, but %q", part, seen)
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
		t.Errorf("the status of a suspended trainer is %+v", d.Status)
	}
	w.wantEvent("Normal Suspended")

	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = false })
	w.reconcile()
	w.wantReplicas(1)
	w.startPod()
	if d := w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering); d.Status.SuspendedAt != nil {
		t.Errorf("a running trainer is suspended since %s", d.Status.SuspendedAt)
	}
}

func TestCreatedSuspended(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.Suspend = true }))
	w.wantPhase(devv1.PhaseSuspended, devv1.ReasonSuspended)
	w.wantReplicas(0)
}

// From work to idleness to sleep and back, with what is said on the way.
func TestIdleBoxSleepsAndWakes(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	d := w.settled()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionTrue, devv1.ReasonActive, "Started, woken or active within the last 10m.")
	if w.lease().Spec.RenewTime == nil {
		t.Error("the Lease has no renewTime")
	}

	w.stayIdle(40 * time.Minute)
	d = w.settled()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionFalse, devv1.ReasonIdle, "Suspended at ")
	if d.Status.SuspendsAt == nil || d.Status.Activity == "" {
		t.Errorf("an idle trainer has the status %+v", d.Status)
	}
	w.stayIdle(6 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopSoon, "will be suspended at")
	w.stayIdle(10 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "will be suspended at")
	w.poll()
	if !strings.Contains(w.agent.instructions.Warning, "will be suspended at") || !strings.Contains(w.agent.instructions.Notice, "after being idle for 1h") {
		t.Errorf("the agent is told %+v", w.agent.instructions)
	}
	w.wantEvent("Normal StopSoon")
	w.wantEvent("Normal StopImminent")
	if len(w.agent.drains) > 0 {
		t.Errorf("drained before its time: %v", w.agent.drains)
	}

	w.stayIdle(5 * time.Minute)
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonIdle)
	w.wantReplicas(0)
	w.stopPod()
	d = w.wantPhase(devv1.PhaseSuspended, devv1.ReasonIdle)
	if d.Status.Activity != "" || d.Status.SuspendsAt != nil {
		t.Errorf("an asleep trainer still says %+v", d.Status)
	}

	// A clock that is an hour behind wakes it as well.
	w.wake(w.clock.Now().Add(-time.Hour))
	w.reconcile()
	w.wantReplicas(1)
	if mark := w.lease().Annotations[lease.AnnotationSuspension]; mark != "" {
		t.Errorf("a wokenAt trainer is still marked: %s", mark)
	}
	w.startPod()
	w.agent.idle = 0
	w.reconcile()
	w.poll()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
}

// What the agent has seen since it was asked last counts.
func TestAgentHasTheLastWord(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.idle = 3 // A key was typed after the poll.
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
	if len(w.agent.drains) != 1 {
		t.Errorf("%d drains", len(w.agent.drains))
	}
}

// No edit wakes a server that is suspended for being idle, not even two between
// two passes: spec.restartedAt and the Lease do.
func TestEditsDoNotWake(t *testing.T) {
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
		t.Errorf("a server that was woken still has the suspension %s", s)
	}
	w.startPod()
	w.agent.idle = 0
	w.reconcile()
	w.poll()
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
}

func TestSilentAgentCountsAsAtWork(t *testing.T) {
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

// An agent that falls silent in the moment in which it is drained keeps its server.
func TestAgentSilentAtDrain(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.silent = true
	w.reconcile()
	w.wantReplicas(1)
	w.wantCondition(w.settled(), devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonAgentUnreachable, "")
}

// The session wins: a renewal between the drain and the mark keeps the server.
func TestWakeRacesSleep(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.idleUntilLastWarning()
	w.agent.onDrain = func() { w.wake(w.clock.Now()) }
	w.clock.SetTime(w.clock.Now().Add(11 * time.Minute))
	w.agent.idle += 660
	w.reconcile()
	if !w.agent.released {
		t.Error("the trainer refuses the session that woke it")
	}
	if w.lease().Annotations[lease.AnnotationSuspension] != "" {
		t.Error("a trainer that was wokenAt is marked asleep")
	}
	w.agent.onDrain = nil
	w.wantPhase(devv1.PhaseRunning, devv1.ReasonAnswering)
	w.wantReplicas(1)
}

func TestExpiredBoxWakesForItsOwnerOnly(t *testing.T) {
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
	for _, warned := range []time.Duration{50 * time.Minute, 6 * time.Minute} {
		w.clock.SetTime(w.clock.Now().Add(warned))
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

// A time to live alone is enough for a Lease, and a keep by it defers the end.
func TestKeepDefersTheExpiry(t *testing.T) {
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
		t.Errorf("with a keep of six hours it expires at %s, without one at %s", after, before)
	}
}

// An operator that is started anew writes nothing, although its reckoning
// differs by the time that an answer takes.
func TestRestartedOperatorMovesNoTimes(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.clock.SetTime(w.clock.Now().Add(10 * time.Minute))
	w.poll() // It works.
	w.stayIdle(40 * time.Minute)
	said := w.settled().Status
	w.r.Poller = w.pollerOf(w.agent)
	w.reconcile()
	w.agent.idle -= 1.3
	w.r.Poller.Ask(t.Context(), w.key())
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("it writes %v, and says %q in place of %q", writes, w.read().Status.Activity, said.Activity)
	}
}

func TestExpiredBoxIsDeleted(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) {
		d.Spec.Lifecycle = &devv1.LifecycleSpec{TimeToLive: lasting(time.Hour), OnExpire: devv1.ExpireDelete}
	}))
	w.reconcile()
	w.startPod()
	w.reconcile()
	w.clock.SetTime(w.clock.Now().Add(61 * time.Minute))
	w.settled() // Nobody was told: that comes first.
	w.clock.SetTime(w.clock.Now().Add(5 * time.Minute))
	w.reconcile()
	w.absent(&devv1.DevServer{}, "trainer")
	w.wantEvent("It reached its time to live. Its home directory is kept.")
}

func TestSleepingBoxIsDeletedInTheEnd(t *testing.T) {
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

// A server whose flavor is gone, or whose edit is refused, is suspended all the same.
func TestProblemDoesNotKeepABoxAwake(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.edit(func(s *devv1.DevServerSpec) { s.Flavor, s.Suspend = "gone", true })
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

func TestFullHomeIsSaid(t *testing.T) {
	w := newWorld(t)
	w.running()
	w.agent.report.Home = &agentapi.Room{SizeBytes: 100 << 30, FreeBytes: 50 << 30}
	w.poll()
	if d := w.settled(); len(d.Status.Conditions) != 4 {
		t.Errorf("a home with room is said: %+v", d.Status.Conditions)
	}
	w.agent.report.Home.FreeBytes = 1 << 20
	w.poll()
	w.wantCondition(w.settled(), devv1.ConditionHomeFull, metav1.ConditionTrue, devv1.ReasonHomeFull, "1 MiB of 102400 MiB were free")
	w.wantEvent("Warning HomeFull")
	w.agent.report.Home.FreeBytes = 600 << 20 // Not full any more, and not roomy.
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

// An edited Secret is put back, by what its agent sees of it: but not before
// the kubelet can have brought what was applied.
func TestEditedSecretComesBack(t *testing.T) {
	w := newWorld(t)
	w.capturePushes(nil)
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
	// The kubelet takes its time: that is no reason to write again.
	w.stayIdle(time.Minute)
	if _, writes := w.reconcile(); len(writes) > 0 {
		t.Errorf("writes %v while the kubelet brings it", writes)
	}
}

func TestForeignLeaseKeepsTheBoxAwake(t *testing.T) {
	w := newWorld(t)
	w.create(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "trainer"}})
	w.runningWithIdleTimeout()
	w.reconcile()
	d := w.read()
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonObjectConflict, "belongs to somebody else")
	if lease := w.lease(); len(lease.OwnerReferences) > 0 || lease.Spec.RenewTime != nil {
		t.Errorf("somebody else's Lease was written: %+v", lease)
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

// What hinders the objects of a server does not keep it awake either.
func TestRefusedObjectDoesNotKeepABoxAwake(t *testing.T) {
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

// A time to live costs nothing on the way to Running.
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
	// The last is the Lease, after the status.
	if n := len(first) + len(second); n != 7 || second[len(second)-1] != "create *v1.Lease" {
		t.Errorf("%d writes: %v, %v", n, first, second)
	}
}

func TestOldAgentCountsAsAtWork(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	w.agent.err = agentapi.ErrUnsupported
	w.stayIdle(90 * time.Minute)
	w.wantCondition(w.settled(), devv1.ConditionActive, metav1.ConditionUnknown, devv1.ReasonAgentOutdated, "too old to report activity")
	w.wantReplicas(1)
}

// Kubernetes makes an evicted pod again at once, without end.
func TestBoxThatIsEvictedOverAndOverIsHeldBack(t *testing.T) {
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

// While a server is at work, or may be, autoscalers are asked to leave its pod.
func TestAutoscalersLeaveABoxAtWork(t *testing.T) {
	w := newWorld(t)
	w.runningWithIdleTimeout()
	shield := func() string {
		pod := &corev1.Pod{}
		w.get(pod, "trainer-0")
		return pod.Annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] + " " + pod.Annotations["karpenter.sh/do-not-disrupt"]
	}
	w.settled()
	if got := shield(); got != "false true" {
		t.Errorf("at work: %s", got)
	}
	w.stayIdle(20 * time.Minute)
	w.settled()
	if got := shield(); got != "true false" {
		t.Errorf("idle: %s", got)
	}
	w.agent.idle = 0
	w.poll()
	w.settled()
	if got := shield(); got != "false true" {
		t.Errorf("at work again: %s", got)
	}
}
