// Package desired renders the Kubernetes objects of a DevServer. It is pure:
// the same Input gives the same objects, byte for byte, and nothing here reads
// the cluster, the clock or the environment.
package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
)

// Input is all that the objects of a DevServer are made from. The resolve
// stage has checked it: nothing in it can be missing or malformed.
type Input struct {
	DevServer *devv1.DevServer
	Flavor    *devv1.DevServerFlavor
	// Image of the box, after the defaults of the flavor and the operator.
	Image string
	// AuthorizedKeys has one public key a line, without options.
	AuthorizedKeys []string
	// Keys are the host key and the control endpoint's credentials.
	Keys sshkeys.Keys
	// AgentImage is the image of the init container.
	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	// NodePort is asked for when the SSH Service is made again; 0 lets
	// Kubernetes choose.
	NodePort int32
}

// Objects returns the objects of a DevServer in the order in which they must
// come to be: what the pod mounts stands before the StatefulSet.
func Objects(in Input) []runtime.ApplyConfiguration {
	objects := []runtime.ApplyConfiguration{
		Secret(in),
		HeadlessService(in),
	}
	if in.DevServer.Spec.SSH.Service.Type != devv1.SSHServiceNone {
		objects = append(objects, SSHService(in))
	}
	return append(objects, StatefulSet(in))
}
