package status

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// StartFailure is why the server's container cannot run, a reason of the Ready
// condition, although its pod has a node, and with it that node's CPUs and GPUs. It
// is empty for a container that runs, that is starting, or that may have been used.
func StartFailure(d *devv1.DevServer, pod *corev1.Pod) string {
	phase := pod.Status.Phase
	if pod.Spec.NodeName == "" || phase == corev1.PodFailed || phase == corev1.PodSucceeded || mayBeUsed(pod) {
		return ""
	}
	reported := ptr.Deref(meta.FindStatusCondition(d.Status.Conditions, devv1.ConditionReady), metav1.Condition{}).Reason
	if reported == devv1.ReasonNodeLost {
		return ""
	}
	if s := podState(d, Observed{Pod: pod}); s.phase == devv1.PhaseFailed {
		return s.reason
	}
	if reported == devv1.ReasonVolumeFailed || reported == devv1.ReasonContainerConfigError {
		return reported // It was read from the pod's events, and does not show in the pod.
	}
	return ""
}

// mayBeUsed tells whether the server can be in use: not before its SSH server has
// answered for the first time. Between two crashes, the container runs for a moment,
// but accepts no logins.
func mayBeUsed(pod *corev1.Pod) bool {
	if PodReady(pod) {
		return true
	}
	server := objects.ContainerStatus(pod, objects.ServerContainer)
	if server == nil || server.State.Running == nil {
		return false
	}
	ready := Condition(pod, corev1.PodReady)
	if ready == nil || ready.LastTransitionTime.After(server.State.Running.StartedAt.Time) {
		return true
	}
	if ssh := objects.ContainerStatus(pod, objects.SSHContainer); ssh != nil {
		if _, fails := containerState(*ssh, "", ""); fails {
			return false
		}
	}
	crash := server.LastTerminationState.Terminated
	return crash == nil || crash.ExitCode == 0
}
