package devserver

import (
	"crypto/sha256"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/capacity"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/packed"
)

// What the watch cache keeps of each object decides how much memory a thousand
// boxes take, and how long the garbage collector looks at them.

func (e *equals) stripPod(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	switch {
	case ok && capacity.Ours(pod):
		maps.DeleteFunc(pod.Labels, func(key, _ string) bool { return !slices.Contains(podLabels, key) })
		maps.DeleteFunc(pod.Annotations, func(key, _ string) bool { return shield[key] == "" && !ours(key) })
		e.shareMetadata(&pod.ObjectMeta)
		spec, err := e.essentialSpec(pod)
		pod.Spec, pod.Status = spec, e.essentialStatus(&pod.Status)
		return object, err
	case ok:
		capacity.StripPod(pod)
	}
	return object, nil
}

// stripDevServer keeps once what many DevServers say.
func (e *equals) stripDevServer(object any) (any, error) {
	d, ok := object.(*devv1.DevServer)
	if !ok {
		return object, nil
	}
	e.shareMetadata(&d.ObjectMeta)
	e.shareWords(&d.Spec.Owner, &d.Spec.Flavor, &d.Spec.Image, &d.Spec.SSH.PublicKey)
	for i := range d.Status.Conditions {
		c := &d.Status.Conditions[i]
		e.shareWords(&c.Type, (*string)(&c.Status), &c.Reason)
	}
	return object, nil
}

// podLabels are what is asked of the labels of a DevServer's pod.
var podLabels = []string{objects.LabelManagedBy, objects.LabelInstance, appsv1.StatefulSetRevisionLabel}

// shield has what else is asked of its annotations, by their names.
var shield = desired.AutoscalerAnnotations(true)

// ours tells whether an annotation is of this project.
func ours(annotation string) bool { return strings.HasPrefix(annotation, "devserver.io/") }

// essentialSpec is what is asked of a DevServer's pod in its cached form: where
// it runs, what it takes, as if its box took it all, the box's memory limit, and
// its claims. The rest is in its StatefulSet, and the greatest part of it.
func (e *equals) essentialSpec(pod *corev1.Pod) (corev1.PodSpec, error) {
	var volumes []corev1.Volume
	for _, volume := range pod.Spec.Volumes {
		if claim := volume.PersistentVolumeClaim; claim != nil {
			volumes = append(volumes, corev1.Volume{Name: volume.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: claim}})
		}
	}
	node := pod.Spec.NodeName
	pod.Spec.NodeName, pod.Spec.Volumes = "", nil
	key, err := countedBy(pod)
	spec, known := e.specs.get(key)
	if !known {
		box := corev1.Container{Name: objects.ServerContainer, Resources: corev1.ResourceRequirements{Requests: capacity.Requests(pod)}}
		for _, c := range pod.Spec.Containers {
			if limit, has := c.Resources.Limits[corev1.ResourceMemory]; has && c.Name == objects.ServerContainer {
				box.Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: limit}
			}
		}
		spec = e.specs.first(key, corev1.PodSpec{Containers: []corev1.Container{box}}, maxSpecs)
	}
	spec.NodeName, spec.Volumes = node, volumes
	return spec, err
}

// countedBy is the hash of all that decides what a pod takes: but for resizes
// under way, that is its spec.
func countedBy(pod *corev1.Pod) ([sha256.Size]byte, error) {
	of := corev1.Pod{Spec: pod.Spec, Status: corev1.PodStatus{Resources: pod.Status.Resources, AllocatedResources: pod.Status.AllocatedResources}}
	for _, statuses := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for _, c := range statuses {
			of.Status.ContainerStatuses = append(of.Status.ContainerStatuses, corev1.ContainerStatus{Name: c.Name, AllocatedResources: c.AllocatedResources, Resources: c.Resources})
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodResizePending {
			of.Status.Conditions = append(of.Status.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status, Reason: c.Reason})
		}
	}
	text, err := of.Marshal()
	return sha256.Sum256(text), err
}

// essentialStatus is how far the pod is, and what hinders it.
func (e *equals) essentialStatus(s *corev1.PodStatus) corev1.PodStatus {
	for i := range s.Conditions {
		c := &s.Conditions[i]
		e.shareWords((*string)(&c.Type), (*string)(&c.Status), &c.Reason)
	}
	return corev1.PodStatus{
		Phase: s.Phase, Reason: s.Reason, Message: s.Message, Conditions: s.Conditions,
		StartTime: s.StartTime, HostIP: s.HostIP, PodIP: s.PodIP,
		ContainerStatuses: e.states(s.ContainerStatuses), InitContainerStatuses: e.states(s.InitContainerStatuses),
	}
}

func (e *equals) states(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	kept := make([]corev1.ContainerStatus, 0, len(statuses))
	for _, c := range statuses {
		e.shareWords(&c.Name, &c.Image)
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
	claim.Labels, claim.Finalizers = nil, nil
	maps.DeleteFunc(claim.Annotations, func(key, _ string) bool { return !ours(key) })
	e.shareMetadata(&claim.ObjectMeta)
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

// stripSet drops what nothing asks for, keeps once what is there twice, and packs
// what is asked for seldom.
func (e *equals) stripSet(object any) (any, error) {
	set, ok := object.(*appsv1.StatefulSet)
	if !ok {
		return object, nil
	}
	e.shareMetadata(&set.ObjectMeta)
	set.Status = appsv1.StatefulSetStatus{ObservedGeneration: set.Status.ObservedGeneration, UpdateRevision: set.Status.UpdateRevision}
	if set.Spec.Selector != nil {
		e.shareMap(&set.Spec.Selector.MatchLabels)
	}
	e.shareMetadata(&set.Spec.Template.ObjectMeta)
	for i := range set.Spec.VolumeClaimTemplates {
		claim := &set.Spec.VolumeClaimTemplates[i]
		e.shareMetadata(&claim.ObjectMeta)
		e.shareList(&claim.Spec.Resources.Requests)
	}
	return object, packed.Pack(set)
}

// stripService keeps once what every box's Services have.
func (e *equals) stripService(object any) (any, error) {
	service, ok := object.(*corev1.Service)
	if !ok {
		return object, nil
	}
	e.shareMetadata(&service.ObjectMeta)
	s := &service.Spec
	e.shareMap(&s.Selector)
	e.shareWords((*string)(&s.Type), (*string)(&s.SessionAffinity))
	for i := range s.Ports {
		p := &s.Ports[i]
		e.shareWords(&p.Name, (*string)(&p.Protocol), &p.TargetPort.StrVal)
	}
	for i := range s.IPFamilies {
		e.shareWords((*string)(&s.IPFamilies[i]))
	}
	return object, nil
}
