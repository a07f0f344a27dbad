// Package objects names the Kubernetes objects of a DevServer: their names,
// labels and annotations. They are an interface: scripts and people use them.
package objects

// StatefulSetName is the name of the StatefulSet of a DevServer.
func StatefulSetName(devServer string) string { return devServer }

// PodName is the name of its one pod.
func PodName(devServer string) string { return devServer + "-0" }

// HeadlessServiceName is the name of the Service that gives the pod its DNS name.
func HeadlessServiceName(devServer string) string { return devServer + "-headless" }

// SSHServiceName is the name of the Service through which SSH is reached.
func SSHServiceName(devServer string) string { return devServer + "-ssh" }

// NetworkPolicyName is the name of the NetworkPolicy that lets only the gateway
// in, if the admin enabled that.
func NetworkPolicyName(devServer string) string { return devServer }

// SecretName is the name of the Secret with its keys.
func SecretName(devServer string) string { return devServer + "-ssh" }

// HomeClaimName is the name of the PersistentVolumeClaim of the home
// directory, as the StatefulSet controller derives it from the template.
func HomeClaimName(devServer string) string { return HomeVolume + "-" + PodName(devServer) }

// LeaseName is the name of the Lease with its last activity.
func LeaseName(devServer string) string { return devServer }

// HostKeyAlias is the name by which SSH clients know the host key.
func HostKeyAlias(namespace, devServer string) string { return devServer + "." + namespace }

// Names of the pod's containers.
const (
	// PrepareContainer is the init container, which prepares the pod's volumes.
	PrepareContainer = "prepare"
	// ServerContainer runs the server's image. Sessions run in it.
	ServerContainer = "devserver"
	// SSHContainer runs the SSH server. Users can neither read its keys nor stop it.
	SSHContainer = "ssh"
)

// HomeVolume is the name of the pod's volume with the home directory, and of the
// claim template that it comes from.
const HomeVolume = "home"
