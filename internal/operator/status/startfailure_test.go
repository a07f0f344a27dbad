package status_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

// A container that cannot run differs from one that is starting, and from one that
// may have been used.
func TestStartFailure(t *testing.T) {
	at := func(seconds int) metav1.Time { return metav1.NewTime(start.Add(time.Duration(seconds) * time.Second)) }
	runs := func(since int, before corev1.ContainerState) corev1.ContainerStatus {
		return corev1.ContainerStatus{
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(since)}}, Started: new(true), LastTerminationState: before,
		}
	}
	notReadySince := func(seconds int) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.Phase = corev1.PodRunning
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: at(seconds)}}
		}
	}
	reported := func(reason string) func(*devv1.DevServer) {
		return func(d *devv1.DevServer) {
			ranBefore(d)
			d.Status.Conditions = []metav1.Condition{{Type: devv1.ConditionReady, Reason: reason}}
		}
	}
	crash := terminated(1, "Error", "")
	unplaced := func(p *corev1.Pod) { p.Spec.NodeName = "" }
	image := serverStatus(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "not found")})
	creating := serverStatus(corev1.ContainerStatus{State: waiting("ContainerCreating", "")})
	for name, tc := range map[string]struct {
		reported string
		pod      *corev1.Pod
		want     string
	}{
		"no image":                                      {pod: pod(image), want: devv1.ReasonImagePullFailed},
		"no node":                                       {pod: pod(image, unplaced)},
		"a missing Secret":                              {pod: pod(serverStatus(corev1.ContainerStatus{State: waiting("CreateContainerConfigError", "")})), want: devv1.ReasonContainerConfigError},
		"its home cannot be prepared":                   {pod: pod(initStatus(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", "")}), creating), want: devv1.ReasonPrepareFailed},
		"between two crashes, waiting":                  {pod: pod(serverStatus(corev1.ContainerStatus{State: waiting("CrashLoopBackOff", ""), LastTerminationState: crash}), notReadySince(0)), want: devv1.ReasonCrashLoop},
		"between two crashes, for a moment":             {pod: pod(serverStatus(runs(60, crash)), notReadySince(60)), want: devv1.ReasonCrashLoop},
		"crashed, started, answered, stopped answering": {pod: pod(serverStatus(runs(60, crash)), notReadySince(90))},
		"never answered yet, never crashed":             {pod: pod(serverStatus(runs(60, corev1.ContainerState{})), notReadySince(0))},
		"answers":                                       {pod: pod(serverStatus(runs(60, crash)), podReady)},
		"the SSH server cannot start": {
			pod:  pod(serverStatus(runs(60, corev1.ContainerState{})), sshStatus(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "")}), notReadySince(0)),
			want: devv1.ReasonContainerConfigError,
		},
		"the SSH server is starting":                        {pod: pod(serverStatus(runs(60, corev1.ContainerState{})), sshStatus(corev1.ContainerStatus{State: waiting("ContainerCreating", "")}), notReadySince(0))},
		"the SSH server answered, and its next image fails": {pod: pod(serverStatus(runs(60, corev1.ContainerState{})), sshStatus(corev1.ContainerStatus{State: waiting("ImagePullBackOff", "")}), notReadySince(90))},
		"starting":                        {pod: pod(creating)},
		"nothing known yet":               {pod: pod()},
		"a volume that cannot be mounted": {reported: devv1.ReasonVolumeFailed, pod: pod(creating), want: devv1.ReasonVolumeFailed},
		"its node is lost":                {reported: devv1.ReasonNodeLost, pod: pod(image)},
		"its pod ended":                   {pod: pod(func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed })},
	} {
		if got := status.StartFailure(devServer(reported(tc.reported)), tc.pod); got != tc.want {
			t.Errorf("%s: the start failure is %q, want %q", name, got, tc.want)
		}
	}
}
