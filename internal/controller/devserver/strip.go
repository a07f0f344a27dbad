package devserver

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"devserver.io/devserver/internal/capacity"
	"devserver.io/devserver/internal/desired"
)

// What the watch cache keeps of each object decides how much memory a thousand
// boxes take, and how long the garbage collector looks at them.

func (p *podSpecs) stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	switch {
	case ok && capacity.Ours(pod):
		pod.ManagedFields = nil
		pod.Spec, pod.Status = essentialSpec(pod), essentialStatus(&pod.Status)
		return object, p.share(&pod.Spec)
	case ok:
		capacity.StripPod(pod)
	}
	return object, nil
}

// essentialSpec is what is asked of a DevServer's pod in its cached form: where
// it runs, what it takes, as if its box took it all, the box's memory limit, and
// its claims. The rest is in its StatefulSet, and the greatest part of it.
func essentialSpec(pod *corev1.Pod) corev1.PodSpec {
	box := corev1.Container{Name: desired.BoxContainer, Resources: corev1.ResourceRequirements{Requests: capacity.Requests(pod)}}
	for _, c := range pod.Spec.Containers {
		if limit, has := c.Resources.Limits[corev1.ResourceMemory]; has && c.Name == desired.BoxContainer {
			box.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: limit}
		}
	}
	kept := corev1.PodSpec{NodeName: pod.Spec.NodeName, Containers: []corev1.Container{box}}
	for _, volume := range pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil {
			kept.Volumes = append(kept.Volumes, corev1.Volume{Name: volume.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}})
		}
	}
	return kept
}

// essentialStatus is how far the pod is, and what hinders it.
func essentialStatus(s *corev1.PodStatus) corev1.PodStatus {
	return corev1.PodStatus{
		Phase: s.Phase, Reason: s.Reason, Message: s.Message, Conditions: s.Conditions,
		StartTime: s.StartTime, HostIP: s.HostIP, PodIP: s.PodIP,
		ContainerStatuses: states(s.ContainerStatuses), InitContainerStatuses: states(s.InitContainerStatuses),
	}
}

func states(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	kept := make([]corev1.ContainerStatus, 0, len(statuses))
	for _, c := range statuses {
		kept = append(kept, corev1.ContainerStatus{
			Name: c.Name, Image: c.Image, State: c.State, LastTerminationState: c.LastTerminationState,
			Ready: c.Ready, Started: c.Started, RestartCount: c.RestartCount,
		})
	}
	return kept
}

func stripNode(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		capacity.StripNode(node)
	}
	return object, nil
}

func stripClaim(object any) (any, error) {
	claim, ok := object.(*corev1.PersistentVolumeClaim)
	if !ok {
		return object, nil
	}
	claim.ManagedFields, claim.Labels, claim.Finalizers = nil, nil, nil
	maps.DeleteFunc(claim.Annotations, func(key, _ string) bool { return !strings.HasPrefix(key, "devserver.io/") })
	claim.Spec = corev1.PersistentVolumeClaimSpec{Resources: claim.Spec.Resources, VolumeName: claim.Spec.VolumeName}
	claim.Status = corev1.PersistentVolumeClaimStatus{
		Phase: claim.Status.Phase, Capacity: claim.Status.Capacity, AllocatedResourceStatuses: claim.Status.AllocatedResourceStatuses,
		// Whether a pod uses the claim, which another condition says, is no news.
		Conditions: slices.DeleteFunc(claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
			return c.Type == corev1.PersistentVolumeClaimUnused
		}),
	}
	return object, nil
}

// stripSet drops what nothing asks for, and keeps once what is there twice.
func (p *podSpecs) stripSet(object any) (any, error) {
	set, ok := object.(*appsv1.StatefulSet)
	if !ok {
		return object, nil
	}
	set.ManagedFields = nil
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Status.ObservedGeneration, UpdateRevision: set.Status.UpdateRevision}
	if maps.Equal(set.Labels, set.Spec.Template.Labels) {
		set.Spec.Template.Labels = set.Labels
	}
	for i := range set.Spec.VolumeClaimTemplates {
		if claim := &set.Spec.VolumeClaimTemplates[i]; maps.Equal(set.Labels, claim.Labels) {
			claim.Labels = set.Labels
		}
	}
	return object, p.share(&set.Spec.Template.Spec)
}

// podSpecs holds pod specs that many objects have in common: but for their nodes
// and volumes, the boxes of one flavor and image do not differ.
type podSpecs struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]corev1.PodSpec
}

// maxPodSpecs bounds what is held for objects that may be gone.
const maxPodSpecs = 256

// share gives a pod spec the memory of an equal one. That is safe because nobody
// changes what is in the watch cache.
func (p *podSpecs) share(spec *corev1.PodSpec) error {
	node, volumes := spec.NodeName, spec.Volumes
	spec.NodeName, spec.Volumes = "", nil
	text, err := spec.Marshal()
	if err != nil {
		return err
	}
	*spec = p.first(sha256.Sum256(text), *spec)
	spec.NodeName, spec.Volumes = node, volumes
	return nil
}

// first returns the spec that became known first by the key.
func (p *podSpecs) first(key [sha256.Size]byte, spec corev1.PodSpec) corev1.PodSpec {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, is := p.known[key]; is {
		return known
	}
	if p.known == nil || len(p.known) >= maxPodSpecs {
		p.known = map[[sha256.Size]byte]corev1.PodSpec{}
	}
	p.known[key] = spec
	return spec
}
