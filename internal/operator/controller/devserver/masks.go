package devserver

import (
	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/brief"
	"devserver.io/devserver/internal/packed"
)

// Masks are what is decoded of the kinds of which much is of no use here: what
// the transforms of the watch cache, which drop more of it, look at.
func Masks() map[string]brief.Mask {
	return map[string]brief.Mask{
		"/api/v1/pods": brief.Only(&corev1.Pod{}, "metadata", "status",
			"spec.nodeName", "spec.volumes.name", "spec.volumes.volumeSource.persistentVolumeClaim",
			// What a pod takes from its node; see capacity.Requests.
			"spec.overhead", "spec.resources",
			"spec.containers.name", "spec.containers.resources",
			"spec.initContainers.name", "spec.initContainers.resources", "spec.initContainers.restartPolicy"),
		"/api/v1/nodes": brief.Only(&corev1.Node{}, "metadata", "spec",
			"status.allocatable", "status.addresses", "status.conditions"),
		"/api/v1/persistentvolumeclaims": brief.Only(&corev1.PersistentVolumeClaim{},
			"metadata", "status", "spec.resources", "spec.volumeName"),
		"/apis/apps/v1/statefulsets": packed.Mask(),
	}
}
