package desired

import (
	corev1 "k8s.io/api/core/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/box"
)

// Names of the pod's volumes. homeVolume is also the name of the claim
// template, and so the first part of the claim's name.
const (
	homeVolume   = "home"
	agentVolume  = "agent"
	imageVolume  = "image"
	sshVolume    = "ssh"
	shmVolume    = "shm"
	sharedVolume = "shared"
)

// secretMode lets the box's user, through the pod's fsGroup, read the keys.
const secretMode = 0o440

func volumes(in Input) []*corev1ac.VolumeApplyConfiguration {
	image := corev1ac.ImageVolumeSource().WithReference(in.Image)
	if policy := in.DevServer.Spec.ImagePullPolicy; policy != "" {
		image.WithPullPolicy(policy)
	}
	shm := corev1ac.EmptyDirVolumeSource().WithMedium(corev1.StorageMediumMemory)
	if size := shmSize(in.Flavor.Spec.Resources); size != nil {
		shm.WithSizeLimit(*size)
	}
	list := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(agentVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		corev1ac.Volume().WithName(imageVolume).WithImage(image),
		corev1ac.Volume().WithName(sshVolume).WithSecret(corev1ac.SecretVolumeSource().
			WithSecretName(SecretName(in.DevServer.Name)).
			WithDefaultMode(secretMode)),
		corev1ac.Volume().WithName(shmVolume).WithEmptyDir(shm),
	}
	if claim := in.DevServer.Spec.SharedVolumeClaimName; claim != "" {
		list = append(list, corev1ac.Volume().WithName(sharedVolume).
			WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(claim)))
	}
	return list
}

func prepareMounts() []*corev1ac.VolumeMountApplyConfiguration {
	return []*corev1ac.VolumeMountApplyConfiguration{
		mount(agentVolume, box.AgentDir),
		mount(imageVolume, box.PrepareImageDir).WithReadOnly(true),
		mount(homeVolume, box.PrepareHomeDir),
	}
}

func boxMounts(in Input) []*corev1ac.VolumeMountApplyConfiguration {
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		mount(homeVolume, box.Home).WithSubPath(box.HomeSubPath),
		mount(agentVolume, box.AgentDir).WithReadOnly(true),
		mount(agentVolume, "/etc/passwd").WithSubPath(box.PasswdFile).WithReadOnly(true),
		mount(agentVolume, "/etc/group").WithSubPath(box.GroupFile).WithReadOnly(true),
		mount(agentVolume, box.ProfilePath).WithSubPath(box.ProfileFile).WithReadOnly(true),
		mount(sshVolume, box.SSHDir).WithReadOnly(true),
		mount(shmVolume, box.Shm),
	}
	if in.DevServer.Spec.SharedVolumeClaimName != "" {
		mounts = append(mounts, mount(sharedVolume, box.Shared))
	}
	return mounts
}

func mount(volume, path string) *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().WithName(volume).WithMountPath(path)
}
