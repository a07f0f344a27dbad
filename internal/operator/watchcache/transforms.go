package watchcache

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/desired"
)

// transform returns the cache's transform for one kind: strip, and no managed
// fields, which are half of an object and which the operator never reads. strip
// must leave an object that it has stripped before unchanged.
func transform[T client.Object](strip func(T)) toolscache.TransformFunc {
	return func(object any) (any, error) {
		if o, ok := object.(T); ok {
			o.SetManagedFields(nil)
			strip(o)
		}
		return object, nil // Anything else is the tombstone of a deleted object.
	}
}

// stripPod drops what neither capacity nor a DevServer's status reads. The cache holds
// every pod of the cluster, because each uses resources of its node.
func stripPod(pod *corev1.Pod) {
	if !capacity.Ours(pod) {
		capacity.StripPod(pod)
		return
	}
	maps.DeleteFunc(pod.Labels, func(key, _ string) bool { return !slices.Contains(podLabels, key) })
	maps.DeleteFunc(pod.Annotations, func(key, _ string) bool { return evictionAnnotations[key] == "" && !ours(key) })
	pod.Spec = serverSpec(pod) // Reads the status too.
	pod.Status = corev1.PodStatus{
		Phase: pod.Status.Phase, Reason: pod.Status.Reason, Message: pod.Status.Message, Conditions: pod.Status.Conditions,
		StartTime: pod.Status.StartTime, HostIP: pod.Status.HostIP, PodIP: pod.Status.PodIP,
		ContainerStatuses: containerStates(pod.Status.ContainerStatuses), InitContainerStatuses: containerStates(pod.Status.InitContainerStatuses),
	}
}

// podLabels are the labels of a DevServer's pod that the operator reads.
var podLabels = []string{objects.LabelManagedBy, objects.LabelInstance, appsv1.StatefulSetRevisionLabel}

// evictionAnnotations has the keys of the annotations that the operator sets on
// a running pod, to compare them.
var evictionAnnotations = desired.AutoscalerAnnotations(true)

// ours reports whether the annotation belongs to this project.
func ours(annotation string) bool { return strings.HasPrefix(annotation, "devserver.io/") }

// serverSpec returns what is read of the spec of a DevServer's pod: its node, its
// claims, one container with the memory limit of the server's container and the
// requests of the whole pod, and the image of the SSH server. The rest of the spec is
// in the StatefulSet.
func serverSpec(pod *corev1.Pod) corev1.PodSpec {
	server := corev1.Container{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{Requests: capacity.Requests(pod)}}
	for _, c := range pod.Spec.Containers {
		if limit, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == objects.ServerContainer {
			server.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: limit}
		}
	}
	containers := []corev1.Container{server}
	for _, c := range pod.Spec.Containers {
		if c.Name == objects.SSHContainer {
			containers = append(containers, corev1.Container{Name: c.Name, Image: c.Image})
		}
	}
	var volumes []corev1.Volume
	for _, volume := range pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil {
			volumes = append(volumes, corev1.Volume{Name: volume.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}})
		}
	}
	return corev1.PodSpec{NodeName: pod.Spec.NodeName, Volumes: volumes, Containers: containers}
}

func containerStates(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	kept := make([]corev1.ContainerStatus, 0, len(statuses))
	for _, c := range statuses {
		kept = append(kept, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, State: c.State, LastTerminationState: c.LastTerminationState,
			Ready: c.Ready, Started: c.Started, RestartCount: c.RestartCount,
		})
	}
	return kept
}

// stripClaim keeps the claim's owner, size and phase. The cache holds every claim of the
// cluster, because a DevServer may name any claim in its namespace.
func stripClaim(claim *corev1.PersistentVolumeClaim) {
	claim.Labels, claim.Finalizers = nil, nil
	maps.DeleteFunc(claim.Annotations, func(key, _ string) bool { return !ours(key) })
	claim.Spec = corev1.PersistentVolumeClaimSpec{Resources: claim.Spec.Resources, VolumeName: claim.Spec.VolumeName}
	claim.Status = corev1.PersistentVolumeClaimStatus{
		Phase: claim.Status.Phase, Capacity: claim.Status.Capacity, AllocatedResourceStatuses: claim.Status.AllocatedResourceStatuses,
		// Unused changes whenever a pod starts or stops using the claim, which
		// would look like a change of the claim.
		Conditions: slices.DeleteFunc(claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
			return c.Type == corev1.PersistentVolumeClaimUnused
		}),
	}
}

// stripStatefulSet drops the counts of pods: the operator reads the pods. It
// keeps the whole spec, which the operator compares with what it would apply.
func stripStatefulSet(set *appsv1.StatefulSet) {
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Status.ObservedGeneration, UpdateRevision: set.Status.UpdateRevision}
}

// stripQuota keeps the scopes of a quota, and its hard limit for limits.cpu. For the
// operator's own quotas, it keeps all hard limits, and the names of the resources that are
// counted. It drops the amounts in use, which change with every pod. The cache holds every
// quota of the cluster, because each applies to the servers in its namespace.
func stripQuota(quota *corev1.ResourceQuota) {
	maps.DeleteFunc(quota.Annotations, func(key, _ string) bool { return !ours(key) })
	used := corev1.ResourceList{}
	if quota.Labels[objects.LabelManagedBy] == objects.ManagedBy {
		for name := range quota.Status.Used {
			used[name] = resource.Quantity{}
		}
	} else {
		maps.DeleteFunc(quota.Spec.Hard, func(name corev1.ResourceName, _ resource.Quantity) bool { return name != corev1.ResourceLimitsCPU })
	}
	quota.Status = corev1.ResourceQuotaStatus{Used: used}
}

// stripLimitRange keeps the limits. The cache holds every LimitRange of the cluster,
// because each applies to the servers in its namespace.
func stripLimitRange(limits *corev1.LimitRange) {
	maps.DeleteFunc(limits.Annotations, func(key, _ string) bool { return !ours(key) })
}
