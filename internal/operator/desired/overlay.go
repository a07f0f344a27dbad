package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	kjson "sigs.k8s.io/json"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// OverlayError says why a flavor's podTemplate cannot be merged.
type OverlayError struct {
	Flavor string
	Err    error
}

func (e *OverlayError) Error() string {
	return fmt.Sprintf("spec.podTemplate of DevServerFlavor %s cannot be merged into the pod: %v", e.Flavor, e.Err)
}

func (e *OverlayError) Unwrap() error { return e.Err }

// overlay merges the flavor's podTemplate into the pod, then sets again what
// the server requires.
func overlay(in Input, template *corev1ac.PodTemplateSpecApplyConfiguration) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	if in.Flavor.Spec.PodTemplate == nil {
		return template, nil
	}
	merged, err := merge(template, in.Flavor.Spec.PodTemplate.Raw)
	if err != nil {
		return nil, &OverlayError{in.Flavor.Name, err}
	}
	if merged.Spec == nil {
		merged.Spec = corev1ac.PodSpec()
	}
	reassert(merged, template)
	return merged, nil
}

// merge returns what a strategic merge patch makes of the template.
func merge(template *corev1ac.PodTemplateSpecApplyConfiguration, patch []byte) (*corev1ac.PodTemplateSpecApplyConfiguration, error) {
	// It is decoded only to find mistakes: a merge ignores misspelt fields.
	strict, err := kjson.UnmarshalStrict(patch, &corev1.PodTemplateSpec{})
	if err := errors.Join(append(strict, err)...); err != nil {
		return nil, err
	}
	ours, err := json.Marshal(template)
	if err != nil {
		return nil, err
	}
	text, err := strategicpatch.StrategicMergePatch(ours, patch, corev1.PodTemplateSpec{})
	if err != nil {
		return nil, err
	}
	merged := &corev1ac.PodTemplateSpecApplyConfiguration{}
	return merged, json.Unmarshal(text, merged)
}

// reassert restores what the operator, the agent and the home depend on,
// whatever was merged over it: the labels of the pod, the step that prepares the
// server, its main process, volumes and uid, and all of the SSH server's container.
func reassert(pod, ours *corev1ac.PodTemplateSpecApplyConfiguration) {
	if pod.ObjectMetaApplyConfiguration == nil {
		pod.WithLabels(nil)
	}
	pod.Labels, pod.Annotations = with(ours.Labels, pod.Labels), with(ours.Annotations, pod.Annotations)
	spec, want := pod.Spec, ours.Spec
	spec.RestartPolicy = nil
	spec.ShareProcessNamespace = nil // With it, users could see the SSH server's processes, and root could end them.
	if want.HostUsers != nil {
		spec.HostUsers = want.HostUsers // Without it, root in the server would be root on the node.
	}
	spec.Volumes = ensure(want.Volumes, spec.Volumes, func(v corev1ac.VolumeApplyConfiguration) string { return ptr.Deref(v.Name, "") })
	spec.InitContainers = ensure(want.InitContainers, spec.InitContainers, containerName)
	for _, containers := range [][]corev1ac.ContainerApplyConfiguration{spec.InitContainers, spec.Containers} {
		for i := range containers {
			if name := containerName(containers[i]); name != objects.PrepareContainer {
				containers[i].VolumeMounts = slices.DeleteFunc(containers[i].VolumeMounts, private)
			}
		}
	}
	ssh := want.Containers[1]
	if i := indexOf(spec.Containers, objects.SSHContainer); i >= 0 {
		spec.Containers[i] = ssh
	} else {
		spec.Containers = slices.Insert(spec.Containers, 0, ssh)
	}
	reassertServer(spec, want.Containers[0])
	if spec.SecurityContext == nil {
		spec.SecurityContext = want.SecurityContext
	}
	s := want.SecurityContext
	spec.SecurityContext.WithRunAsUser(*s.RunAsUser).WithRunAsGroup(*s.RunAsGroup).WithFSGroup(*s.FSGroup)
}

// private tells whether a mount is of a volume that no added container may have: the
// Secret, and the folder of the spawner's socket.
func private(m corev1ac.VolumeMountApplyConfiguration) bool {
	name := ptr.Deref(m.Name, "")
	return name == sshVolume || name == runVolume
}

func reassertServer(spec *corev1ac.PodSpecApplyConfiguration, want corev1ac.ContainerApplyConfiguration) {
	i := indexOf(spec.Containers, objects.ServerContainer)
	if i < 0 {
		spec.Containers = slices.Insert(spec.Containers, 0, want)
		return
	}
	c := &spec.Containers[i]
	c.Image, c.Command, c.Args = want.Image, want.Command, nil
	c.StartupProbe, c.ReadinessProbe, c.LivenessProbe = nil, nil, nil
	c.Ports = slices.DeleteFunc(c.Ports, func(p corev1ac.ContainerPortApplyConfiguration) bool {
		name, number := ptr.Deref(p.Name, ""), ptr.Deref(p.ContainerPort, 0)
		return name == agentapi.SSHPortName || name == agentapi.ControlPortName || number == agentapi.SSHPort || number == agentapi.ControlPort
	})
	c.VolumeMounts = ensure(want.VolumeMounts, c.VolumeMounts, func(m corev1ac.VolumeMountApplyConfiguration) string { return ptr.Deref(m.MountPath, "") })
	s := want.SecurityContext
	if c.SecurityContext == nil && s.RunAsUser != nil {
		c.SecurityContext = s
	}
	if c.SecurityContext != nil {
		c.SecurityContext.RunAsUser, c.SecurityContext.RunAsGroup = s.RunAsUser, s.RunAsGroup
	}
}

// ensure returns ours, followed by what of theirs has another key.
func ensure[T any, K comparable](ours, theirs []T, key func(T) K) []T {
	have := map[K]bool{}
	for _, o := range ours {
		have[key(o)] = true
	}
	return append(slices.Clone(ours), slices.DeleteFunc(slices.Clone(theirs), func(t T) bool { return have[key(t)] })...)
}

func indexOf(containers []corev1ac.ContainerApplyConfiguration, name string) int {
	return slices.IndexFunc(containers, func(c corev1ac.ContainerApplyConfiguration) bool { return containerName(c) == name })
}

func containerName(c corev1ac.ContainerApplyConfiguration) string { return ptr.Deref(c.Name, "") }
