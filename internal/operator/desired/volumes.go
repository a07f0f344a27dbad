package desired

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// Names of the pod's volumes. objects.HomeVolume is also the name of the claim
// template, and so the first part of the claim's name.
const (
	agentVolume  = "agent"
	imageVolume  = "image"
	sshVolume    = "ssh"
	runVolume    = "agent-run"
	shmVolume    = "shm"
	sharedVolume = "shared"
	// claimVolume is the first part of the names of further claims.
	claimVolume = "volume-"
)

// secretMode lets the SSH server, which is not the files' owner, read the keys
// through the pod's fsGroup. No other container mounts them.
const secretMode = 0o440

// runSize is enough for the folder of a socket.
var runSize = resource.MustParse("1Mi")

// Volume is a claim and where it is mounted.
type Volume struct {
	// Name of the pod's volume.
	Name, Claim, Path string
	ReadOnly          bool
	// Field is where the DevServer or its flavor asks for it.
	Field string
}

// reserved are folders that the server itself requires: nothing is mounted at
// or below them.
var reserved = []string{"/dev", "/etc", "/proc", "/sys", agentapi.AgentDir, agentapi.RunDir, "/var" + agentapi.RunDir}

// MergeVolumes gives the claims to mount, by path: the flavor's, overridden by
// the DevServer's own of the same path. Its error is a sentence for the
// DevServer's owner.
func MergeVolumes(d *devv1.DevServer, flavor *devv1.DevServerFlavor) ([]Volume, error) {
	merged := map[string]Volume{}
	for i, v := range flavor.Spec.Volumes {
		field := fmt.Sprintf("spec.volumes[%d] of DevServerFlavor %s", i, flavor.Name)
		if err := addVolume(merged, v, field); err != nil {
			return nil, err
		}
	}
	own := map[string]Volume{}
	if claim := d.Spec.SharedVolumeClaimName; claim != "" {
		own[agentapi.Shared] = Volume{Name: sharedVolume, Claim: claim, Path: agentapi.Shared, Field: "spec.sharedVolumeClaimName"}
	}
	for i, v := range d.Spec.Volumes {
		if err := addVolume(own, v, fmt.Sprintf("spec.volumes[%d]", i)); err != nil {
			return nil, err
		}
	}
	maps.Copy(merged, own)
	return slices.SortedFunc(maps.Values(merged), func(a, b Volume) int { return cmp.Compare(a.Path, b.Path) }), nil
}

func addVolume(volumes map[string]Volume, v devv1.VolumeMount, field string) error {
	at := path.Clean(v.MountPath)
	if at == "/" || at == agentapi.Home || slices.ContainsFunc(reserved, func(dir string) bool { return at == dir || strings.HasPrefix(at, dir+"/") }) {
		return fmt.Errorf("%s cannot be mounted at %s: the server itself needs that folder", field, at)
	}
	if other, taken := volumes[at]; taken {
		return fmt.Errorf("%s and %s have the same mount path %s: each needs one of its own", other.Field, field, at)
	}
	// The name depends on the path alone, so that a change of one volume does
	// not look like a change of the others.
	sum := sha256.Sum256([]byte(at))
	volumes[at] = Volume{
		Name: claimVolume + hex.EncodeToString(sum[:4]), Claim: v.ClaimName, Path: at, ReadOnly: v.ReadOnly, Field: field,
	}
	return nil
}

func volumes(in Input) []*corev1ac.VolumeApplyConfiguration {
	image := corev1ac.ImageVolumeSource().WithReference(in.Image)
	if policy := pullPolicy(in); policy != "" {
		image.WithPullPolicy(policy)
	}
	shm := corev1ac.EmptyDirVolumeSource().WithMedium(corev1.StorageMediumMemory)
	if size := sharedMemory(in.Flavor.Spec); size != nil {
		shm.WithSizeLimit(*size)
	}
	list := []*corev1ac.VolumeApplyConfiguration{
		corev1ac.Volume().WithName(agentVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource()),
		corev1ac.Volume().WithName(imageVolume).WithImage(image),
		corev1ac.Volume().WithName(sshVolume).WithSecret(corev1ac.SecretVolumeSource().
			WithSecretName(objects.SecretName(in.DevServer.Name)).
			WithDefaultMode(secretMode)),
		corev1ac.Volume().WithName(runVolume).WithEmptyDir(corev1ac.EmptyDirVolumeSource().
			WithMedium(corev1.StorageMediumMemory).WithSizeLimit(runSize)),
		corev1ac.Volume().WithName(shmVolume).WithEmptyDir(shm),
	}
	if source := homeVolumeSource(in.DevServer); source != nil {
		list = append(list, source)
	}
	for _, v := range in.Volumes {
		list = append(list, corev1ac.Volume().WithName(v.Name).
			WithPersistentVolumeClaim(corev1ac.PersistentVolumeClaimVolumeSource().WithClaimName(v.Claim)))
	}
	return list
}

func prepareMounts() []*corev1ac.VolumeMountApplyConfiguration {
	return []*corev1ac.VolumeMountApplyConfiguration{
		mount(agentVolume, agentapi.AgentDir),
		mount(imageVolume, agentapi.PrepareImageDir).WithReadOnly(true),
		mount(objects.HomeVolume, agentapi.PrepareHomeDir),
		mount(runVolume, agentapi.PrepareRunDir),
	}
}

func serverMounts(in Input) []*corev1ac.VolumeMountApplyConfiguration {
	mounts := []*corev1ac.VolumeMountApplyConfiguration{
		mount(objects.HomeVolume, agentapi.Home).WithSubPath(agentapi.HomeSubPath),
		mount(agentVolume, agentapi.AgentDir).WithReadOnly(true),
	}
	if !GrantsRoot(in) {
		// Root replaces these files, which a mount would prevent: there, the agent
		// puts the user into the image's own.
		mounts = append(mounts,
			mount(agentVolume, "/etc/passwd").WithSubPath(agentapi.PasswdFile).WithReadOnly(true),
			mount(agentVolume, "/etc/group").WithSubPath(agentapi.GroupFile).WithReadOnly(true))
	}
	mounts = append(mounts,
		mount(agentVolume, agentapi.ProfilePath).WithSubPath(agentapi.ProfileFile).WithReadOnly(true),
		mount(runVolume, agentapi.RunDir).WithSubPath(agentapi.RunSubPath),
		mount(shmVolume, agentapi.Shm))
	for _, v := range in.Volumes {
		m := mount(v.Name, v.Path)
		if v.ReadOnly {
			m.WithReadOnly(true)
		}
		mounts = append(mounts, m)
	}
	return mounts
}

func mount(volume, path string) *corev1ac.VolumeMountApplyConfiguration {
	return corev1ac.VolumeMount().WithName(volume).WithMountPath(path)
}
