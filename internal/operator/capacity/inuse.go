package capacity

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// inUse counts the servers of each flavor that have a pod, on a node or waiting
// for one. status.flavor is the flavor of the pod, even if the next start will
// use another.
func inUse(pods []corev1.Pod, servers []devv1.DevServer) map[string]int32 {
	flavors := make(map[types.NamespacedName]string, len(servers))
	for i := range servers {
		d := &servers[i]
		flavors[types.NamespacedName{Namespace: d.Namespace, Name: objects.PodName(d.Name)}] = cmp.Or(d.Status.Flavor, d.Spec.Flavor)
	}
	counts := map[string]int32{}
	for i := range pods {
		pod := &pods[i]
		if !Ours(pod) || terminal(pod) {
			continue
		}
		if flavor, ok := flavors[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}]; ok {
			counts[flavor]++
		}
	}
	return counts
}

// Ours tells whether the pod is a server's.
func Ours(pod *corev1.Pod) bool {
	return pod.Labels[objects.LabelManagedBy] == objects.ManagedBy
}
