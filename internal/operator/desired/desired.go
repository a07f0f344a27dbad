// Package desired renders the Kubernetes objects of a DevServer. It is pure:
// the same Input gives the same objects, byte for byte, and nothing here reads
// the cluster, the clock or the environment.
package desired

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshkeys"
)

// Input is everything that the objects of a DevServer are made from. The
// resolve step has checked it: nothing in it is missing or malformed.
type Input struct {
	DevServer *devv1.DevServer
	Flavor    *devv1.DevServerFlavor
	// Image is the image of the server, after the defaults of the flavor and
	// the operator.
	Image string
	// ImagePullPolicy is when the node pulls Image. If it is empty, the DevServer or its
	// flavor decides.
	ImagePullPolicy corev1.PullPolicy
	// UID is the user and group id of the server.
	UID int64
	// HomeRequest is the size in the template of the home's claim: that of the
	// live StatefulSet, whose template is immutable, else
	// spec.persistentHomeSize.
	HomeRequest resource.Quantity
	// Volumes are the claims to mount beside the home, as MergeVolumes gives them.
	Volumes []Volume
	// AuthorizedKeys has one public key a line, without options.
	AuthorizedKeys []string
	// Keys are the host key and the control endpoint's credentials.
	Keys sshkeys.Keys
	// DeliveredHash is what the StatefulSet records as the hash of the Secret while the
	// running agent is being given a new one's keys: the hash of the Secret before. Empty
	// stands for SecretHash.
	DeliveredHash string
	// AgentImage is the image of the init container and of the SSH server.
	AgentImage           string
	AgentImagePullPolicy corev1.PullPolicy
	// Quotas and LimitRanges are those of the namespace, in any order.
	Quotas      []corev1.ResourceQuota
	LimitRanges []corev1.LimitRange
	// GraceSeconds is how long the server's processes may take to end; 0 stands
	// for DefaultGraceSeconds.
	GraceSeconds int64
	// Suspended is set for a server that gets no pod.
	Suspended bool
	// NodePort is the node port of the SSH Service if that is created again; 0
	// lets Kubernetes choose.
	NodePort int32
	// GatewayNamespace is the namespace of the gateway and the operator if only
	// they may reach the server; otherwise empty.
	GatewayNamespace string
}

// Objects returns the objects of a DevServer in the order in which they must be
// created, without the Secret, which comes before them. Its error is an
// *OverlayError.
func Objects(in Input) ([]runtime.ApplyConfiguration, error) {
	set, err := StatefulSet(in)
	if err != nil {
		return nil, err
	}
	objects := []runtime.ApplyConfiguration{
		HeadlessService(in),
	}
	if in.DevServer.Spec.SSH.Service.Type != devv1.SSHServiceNone {
		objects = append(objects, SSHService(in))
	}
	if in.GatewayNamespace != "" {
		objects = append(objects, NetworkPolicy(in))
	}
	return append(objects, set), nil
}
