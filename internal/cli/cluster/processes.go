package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// HasProcesses tells whether the user's processes may be running in a DevServer, so
// that stopping it ends them. A server whose container has never started has none.
// Without the right to read pods, only the phase tells.
func HasProcesses(ctx context.Context, c client.Reader, ds *devserverv1.DevServer) bool {
	if ds.Status.Phase == devserverv1.PhaseRunning {
		return true
	}
	var pod corev1.Pod
	if c.Get(ctx, client.ObjectKey{Namespace: ds.Namespace, Name: objects.PodName(ds.Name)}, &pod) != nil {
		return false
	}
	status := objects.ContainerStatus(&pod, objects.ServerContainer)
	return status != nil && (status.State.Running != nil || status.RestartCount > 0) && objects.EverUsable(&pod)
}
