package devserver_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/objects"
)

// withoutImage does what the StatefulSet controller and a kubelet do if the image
// cannot be pulled.
func (w *world) withoutImage() {
	w.t.Helper()
	pod := w.startPod()
	pod.Status.Phase = corev1.PodPending
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReadyToStartContainers, Status: corev1.ConditionTrue})
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: objects.ServerContainer, Image: "example.com/nope:1",
		State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "not found"}},
	}}
	if err := w.c.Status().Update(w.t.Context(), pod); err != nil {
		w.t.Fatalf("updating the pod's status: %v", err)
	}
}

// A server that cannot start still occupies its GPU, so it is suspended after its idle
// timeout. Once it is resumed, it has the whole timeout again.
func TestServerThatCannotStartIsSuspendedAndResumed(t *testing.T) {
	w := newWorld(t)
	w.flavor(func(f *devv1.DevServerFlavor) {
		f.Spec.Lifecycle = &devv1.LifecycleSpec{IdleTimeout: lasting(time.Hour)}
	})
	w.create(w.devServer())
	w.reconcile()
	w.withoutImage()
	d := w.wantPhase(devv1.PhaseFailed, devv1.ReasonImagePullFailed)
	if d.Status.Activity != "" {
		t.Errorf("the activity of a server that has just failed to start is %q, want none", d.Status.Activity)
	}

	w.clock.SetTime(w.clock.Now().Add(46 * time.Minute))
	d = w.wantPhase(devv1.PhaseFailed, devv1.ReasonImagePullFailed)
	w.wantCondition(d, devv1.ConditionActive, metav1.ConditionFalse, devv1.ReasonIdle, ", because its container cannot run: ImagePullFailed. Suspended at ")
	w.wantEvent("Normal StopSoon")
	w.clock.SetTime(w.clock.Now().Add(10 * time.Minute))
	w.wantCondition(w.settled(), devv1.ConditionStopPending, metav1.ConditionTrue, devv1.ReasonStopImminent, "because its container cannot run: ImagePullFailed")
	w.wantReplicas(1)

	w.clock.SetTime(w.clock.Now().Add(5 * time.Minute))
	w.wantPhase(devv1.PhaseSuspending, devv1.ReasonIdle)
	w.wantReplicas(0)
	w.wantEvent("its container could not run: ImagePullFailed")
	w.stopPod()
	d = w.wantPhase(devv1.PhaseSuspended, devv1.ReasonIdle)
	w.wantCondition(d, devv1.ConditionReady, metav1.ConditionFalse, devv1.ReasonIdle, "its container could not run: ImagePullFailed")

	w.wake(w.clock.Now())
	w.reconcile()
	w.wantReplicas(1)
	w.withoutImage()
	w.wantPhase(devv1.PhaseFailed, devv1.ReasonImagePullFailed)
	w.clock.SetTime(w.clock.Now().Add(59 * time.Minute))
	w.wantPhase(devv1.PhaseFailed, devv1.ReasonImagePullFailed)
	w.wantReplicas(1)
	if s := w.lease().Annotations[lease.AnnotationSuspension]; s != "" {
		t.Errorf("the Lease of a server that was just resumed has the suspension %s", s)
	}
}
