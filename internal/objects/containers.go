package objects

import corev1 "k8s.io/api/core/v1"

// ContainerStatus is the status of one of the pod's containers, init containers
// excepted; nil if it has none.
func ContainerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range pod.Status.ContainerStatuses {
		if pod.Status.ContainerStatuses[i].Name == name {
			return &pod.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// EverUsable tells whether people could ever log in to the pod, even for a moment:
// the server's container has run, and so has the SSH server if it has a container of
// its own. (It has none in a pod of an older version.)
func EverUsable(pod *corev1.Pod) bool {
	ssh := ContainerStatus(pod, SSHContainer)
	return everRan(ContainerStatus(pod, ServerContainer)) && (ssh == nil || everRan(ssh))
}

func everRan(c *corev1.ContainerStatus) bool {
	return c != nil && (c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil)
}
