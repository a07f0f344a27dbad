package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
)

func resources(r corev1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	ac := corev1ac.ResourceRequirements()
	if len(r.Requests) > 0 {
		ac.WithRequests(r.Requests)
	}
	if len(r.Limits) > 0 {
		ac.WithLimits(r.Limits)
	}
	return ac
}

// prepareResources gives the init container the server's own CPU, memory and
// disk. It costs nothing, because the pod counts the larger of the two, and it
// satisfies a ResourceQuota that requires limits of every container. Devices
// are for the server alone.
func prepareResources(r corev1.ResourceRequirements) *corev1ac.ResourceRequirementsApplyConfiguration {
	return resources(corev1.ResourceRequirements{Requests: basic(r.Requests), Limits: basic(r.Limits)})
}

func basic(list corev1.ResourceList) corev1.ResourceList {
	kept := corev1.ResourceList{}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		if quantity, ok := list[name]; ok {
			kept[name] = quantity
		}
	}
	return kept
}

// sharedMemory is the size of /dev/shm: the flavor's, else half of the memory
// limit, since what is in it counts against that. Without a limit there is
// none, and the node's memory bounds it.
func sharedMemory(flavor devv1.DevServerFlavorSpec) *resource.Quantity {
	if flavor.SharedMemorySize != nil {
		return flavor.SharedMemorySize
	}
	limit, ok := flavor.Resources.Limits[corev1.ResourceMemory]
	if !ok || limit.IsZero() {
		return nil
	}
	return resource.NewQuantity(limit.Value()/2, resource.BinarySI)
}
