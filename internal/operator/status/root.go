package status

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// notIdmapped are the words of runc, which names the path on the node, and of
// crun, which names the mount path, for a file system that does not support
// idmapped mounts.
var notIdmapped = []*regexp.Regexp{
	regexp.MustCompile(`failed to set MOUNT_ATTR_IDMAP on (\S+): `),
	regexp.MustCompile("mount_setattr [`'](\\S+)[`']: .*idmap"),
}

// onNode is where a kubelet keeps a volume, by the name of the
// PersistentVolume or, for one that has none, by its name in the pod.
var onNode = regexp.MustCompile(`/(?:volumes/kubernetes\.io~[^/]+|volume-subpaths)/([^/]+)`)

// idmapState is the state of a container that cannot start because a volume of
// its user namespace cannot be mounted: in the same words during an attempt and
// between two.
func idmapState(d *devv1.DevServer, o Observed, c corev1.ContainerStatus) (state, bool) {
	var messages []string
	if w := c.State.Waiting; w != nil {
		messages = append(messages, w.Message)
	}
	for _, t := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if t != nil {
			messages = append(messages, t.Message)
		}
	}
	path := notIdmappedPath(strings.Join(messages, "\n"))
	switch {
	case path == "":
		return state{}, false
	case strings.Contains(path, "/image-volumes/"):
		// https://github.com/containerd/containerd/pull/12816
		return failed(devv1.ReasonContainerConfigError, "The flavor %s gives root in a user namespace, and the containerd of the node %s cannot mount images in one: releases from March 2026 on can.", o.Flavor, o.Pod.Spec.NodeName), true
	default:
		return failed(devv1.ReasonVolumeNotIdmappable, "The flavor %s gives root in a user namespace, and the file system of %s cannot be mounted in one, as NFS and most other network file systems cannot. A flavor without root takes it; ext4, XFS and Btrfs work with this one.",
			o.Flavor, volumeAt(d, o, path)), true
	}
}

func notIdmappedPath(message string) string {
	for _, words := range notIdmapped {
		if m := words.FindStringSubmatch(message); m != nil {
			return m[1]
		}
	}
	return ""
}

// volumeAt names the volume at a place on the node or in the server.
func volumeAt(d *devv1.DevServer, o Observed, path string) string {
	m := onNode.FindStringSubmatch(path)
	switch {
	case m == nil:
		return "the volume at " + path
	case o.Home != nil && o.Home.Spec.VolumeName == m[1]:
		return fmt.Sprintf("the home directory (PersistentVolumeClaim %s)", o.Home.Name)
	case objects.Home(d).Ephemeral && m[1] == "home":
		return "the home directory"
	default:
		return fmt.Sprintf("the volume %s (kubectl get pvc shows whose it is)", m[1])
	}
}

// rootRefused adds a remedy to Pod Security's message about a pod with root.
func rootRefused(d *devv1.DevServer, o Observed, s state) state {
	if !o.Root || !strings.Contains(o.PodRefused, `violates PodSecurity "restricted`) {
		return s
	}
	s.message = fmt.Sprintf("The flavor %s gives root, and the namespace %s does not allow it: its Pod Security level is restricted. An admin can allow it: kubectl label namespace %s pod-security.kubernetes.io/enforce=baseline --overwrite, or podSecurity: Baseline in the DevServerUser whose namespace it is. Or choose a flavor without root.",
		o.Flavor, d.Namespace, d.Namespace)
	return s
}
