package objects

import corev1 "k8s.io/api/core/v1"

// ContainerStatus returns the status of the container with the name, or nil if it has
// none. It does not find init containers.
func ContainerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// EverUsable tells whether users could ever log in to the pod, even for a moment: the
// server's container has run, and so has that of the SSH server, which pods of an older
// version do not have.
func EverUsable(pod *corev1.Pod) bool {
	ssh := ContainerStatus(pod, SSHContainer)
	return everRan(ContainerStatus(pod, ServerContainer)) && (ssh == nil || everRan(ssh))
}

func everRan(c *corev1.ContainerStatus) bool {
	return c != nil && (c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil)
}
