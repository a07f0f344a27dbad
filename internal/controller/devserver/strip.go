package devserver

import (
	"crypto/sha256"
	"fmt"
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

func (e *equals) stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	switch {
	case ok && capacity.Ours(pod):
		pod.ManagedFields = nil
		pod.Spec, pod.Status = essentialSpec(pod), essentialStatus(&pod.Status)
		return object, e.shareSpec(&pod.Spec)
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

func (e *equals) stripClaim(object any) (any, error) {
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
	e.shareList(&claim.Spec.Resources.Requests)
	e.shareList(&claim.Status.Capacity)
	return object, nil
}

// stripSet drops what nothing asks for, and keeps once what is there twice.
func (e *equals) stripSet(object any) (any, error) {
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
		e.shareList(&set.Spec.VolumeClaimTemplates[i].Spec.Resources.Requests)
	}
	return object, e.shareSpec(&set.Spec.Template.Spec)
}

// equals holds what many objects have in common: but for their nodes and volumes,
// the pods of one flavor and image do not differ, and most homes are as large as
// others. That is safe because nobody changes what is in the watch cache.
type equals struct {
	specs shared[corev1.PodSpec]
	lists shared[corev1.ResourceList]
}

// shareSpec gives a pod spec the memory of an equal one.
func (e *equals) shareSpec(spec *corev1.PodSpec) error {
	node, volumes := spec.NodeName, spec.Volumes
	spec.NodeName, spec.Volumes = "", nil
	text, err := spec.Marshal()
	if err != nil {
		return err
	}
	*spec = e.specs.first(sha256.Sum256(text), *spec)
	spec.NodeName, spec.Volumes = node, volumes
	return nil
}

// shareList does the same for amounts. A map takes most of a kilobyte, however
// little is in it.
func (e *equals) shareList(list *corev1.ResourceList) {
	if len(*list) == 0 {
		return
	}
	var text []byte
	for _, name := range slices.Sorted(maps.Keys(*list)) {
		amount := (*list)[name]
		text = fmt.Appendf(text, "%s=%s,", name, amount.String())
	}
	*list = e.lists.first(sha256.Sum256(text), *list)
}

// shared are values by what is in them.
type shared[T any] struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]T
}

// maxShared bounds what is held for objects that may be gone.
const maxShared = 256

// first returns the value that became known first by the key.
func (s *shared[T]) first(key [sha256.Size]byte, value T) T {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, is := s.known[key]; is {
		return known
	}
	if s.known == nil || len(s.known) >= maxShared {
		s.known = map[[sha256.Size]byte]T{}
	}
	s.known[key] = value
	return value
}
