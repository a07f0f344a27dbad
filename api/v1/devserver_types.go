package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DevServer is a development server: one pod with a home directory that
// survives it, and an SSH server that its owner's keys open.
//
// The name is used for the objects made from it and as the host name: a DNS
// label of lower-case letters, digits and "-" that starts with a letter, at
// most 50 characters.
//
// Deleting a DevServer deletes its pod, Services and keys. Its home directory,
// the PersistentVolumeClaim home-NAME-0, is kept, and a DevServer created
// again with the same name, namespace and owner finds it, with the same SSH
// host key.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dev,categories=all
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Flavor",type=string,JSONPath=`.status.flavor`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner`
// +kubebuilder:printcolumn:name="SSH",type=string,priority=1,JSONPath=`.status.ssh.command`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Activity",type=string,priority=1,JSONPath=`.status.activity`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Node",type=string,priority=1,JSONPath=`.status.nodeName`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 50 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",message="metadata.name must be at most 50 lower-case letters, digits and '-', start with a letter and end with a letter or digit: the names of its Services and pod are made from it"
type DevServer struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what the owner asks for.
	// +required
	Spec DevServerSpec `json:"spec"`
	// status is what is there. The operator writes it.
	// +optional
	Status DevServerStatus `json:"status,omitempty"`
}

// DevServerList is a list of DevServers.
//
// +kubebuilder:object:root=true
type DevServerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the DevServers.
	Items []DevServer `json:"items"`
}

// DevServerSpec is what the owner of a DevServer asks for.
//
// An edit takes effect at once. One that the pod depends on restarts it, and
// an event says which field did: flavor, image, imagePullPolicy, env, volumes,
// sharedVolumeClaimName and restartedAt do; keys, the Service, the size of the
// home directory and what becomes of it, and lifecycle do not.
//
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.storageClassName) ? self.home.storageClassName : '-') == (has(oldSelf.home) && has(oldSelf.home.storageClassName) ? oldSelf.home.storageClassName : '-')",message="home.storageClassName cannot be changed, added or removed: it counts when the home directory is created"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.claimName) ? self.home.claimName : '-') == (has(oldSelf.home) && has(oldSelf.home.claimName) ? oldSelf.home.claimName : '-')",message="home.claimName cannot be changed, added or removed: create another DevServer with it"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.ephemeral) && self.home.ephemeral) == (has(oldSelf.home) && has(oldSelf.home.ephemeral) && oldSelf.home.ephemeral)",message="home.ephemeral cannot be changed: create another DevServer with it"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.dataSource) ? self.home.dataSource.kind + '/' + self.home.dataSource.name : '-') == (has(oldSelf.home) && has(oldSelf.home.dataSource) ? oldSelf.home.dataSource.kind + '/' + oldSelf.home.dataSource.name : '-')",message="home.dataSource cannot be changed, added or removed: it counts when the home directory is created"
type DevServerSpec struct {
	// owner is the identity of the person whom the server belongs to: an e-mail
	// address or user name, for example "user@example.com". It cannot be
	// changed: the home directory and the SSH host key belong to it.
	// 1 to 253 printable ASCII characters without spaces.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="owner must be printable ASCII characters without spaces, such as user@example.com"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="owner cannot be changed: the home directory and the SSH host key belong to it; create another DevServer for another owner"
	Owner string `json:"owner,omitempty"`

	// flavor is the name of the DevServerFlavor, the size of the server, for
	// example "gpu-large". Left out, it is the cluster's default flavor, the
	// one with spec.default. A flavor that does not exist (yet) is said in the
	// Ready condition; the server starts once it does.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Flavor string `json:"flavor,omitempty"`

	// image is the container image of the server: any image, without an SSH
	// server or a user account in it, for example
	// "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-devel". Left out, it is the
	// flavor's image, else the operator's default image.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="image must be an image reference without spaces, such as registry.example.com/team/image:tag"
	Image string `json:"image,omitempty"`

	// imagePullPolicy says when the node fetches the image: Always,
	// IfNotPresent or Never. Left out, Kubernetes decides: Always for the tag
	// "latest", else IfNotPresent.
	//
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets are the names of Secrets in this namespace with which
	// the node fetches the image. At most 16.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// ssh is how the server is reached, and by whom.
	//
	// +required
	SSH SSHSpec `json:"ssh"`

	// The rules look at the exponent first: the API server would compute for
	// minutes on a size such as 1e1000000000.

	// persistentHomeSize is the size of the volume with the home directory
	// /home/dev, for example "100Gi". Default 10Gi; from 1Mi to 1Pi, within the
	// flavor's bounds. A larger size makes the volume grow, without a restart
	// where the storage can do that; the ResizePending condition tells. It
	// cannot shrink.
	//
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi')) && !quantity(string(self)).isGreaterThan(quantity('1Pi'))",message="persistentHomeSize must be a size from 1Mi to 1Pi, such as 100Gi"
	// +kubebuilder:validation:XValidation:rule="string(self).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self)) || quantity(string(self)).isLessThan(quantity('1Mi')) || quantity(string(self)).isGreaterThan(quantity('1Pi')) || !quantity(string(self)).isLessThan(quantity(string(oldSelf)))",message="persistentHomeSize cannot shrink: a volume only grows"
	// +kubebuilder:validation:MaxLength=32
	PersistentHomeSize resource.Quantity `json:"persistentHomeSize,omitzero"`

	// home says what kind of volume the home directory is on.
	//
	// +optional
	Home *HomeSpec `json:"home,omitempty"`

	// sharedVolumeClaimName is the name of an existing PersistentVolumeClaim in
	// this namespace, mounted at /shared, for example one on a file server
	// that many servers mount (ReadWriteMany). A claim that does not exist
	// (yet) is said in the Ready condition; the server starts once it does.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SharedVolumeClaimName string `json:"sharedVolumeClaimName,omitempty"`

	// volumes are further PersistentVolumeClaims of this namespace to mount. One
	// with the mount path of a volume of the flavor takes its place. At most 32.
	//
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	Volumes []VolumeMount `json:"volumes,omitempty"`

	// env are environment variables for every session, beside the image's own
	// and the flavor's; of the same name, this one wins. At most 256.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// restartedAt restarts the server when it is set, or set to a later time:
	// {restartedAt: "2026-01-31T09:00:00Z"}. Only the change counts: a time in
	// the future restarts it at once as well, and not again. An earlier time, or
	// none, does nothing. It also starts a server that expired, or that is
	// suspended for want of work.
	//
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`

	// suspend stops the server: its processes get SIGTERM and then
	// lifecycle.terminationGracePeriodSeconds to end. Home directory, name, keys
	// and Services stay. Set back to false, the same server starts again.
	// Nothing but this field undoes it. Default false.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// lifecycle says when the server stops by itself, and what becomes of it.
	//
	// +optional
	Lifecycle *LifecycleSpec `json:"lifecycle,omitempty"`
}

// SSHSpec is how a DevServer is reached over SSH, and by whom.
//
// +kubebuilder:validation:XValidation:rule="has(self.publicKey) || (has(self.publicKeys) && size(self.publicKeys) > 0)",message="ssh needs a publicKey (or publicKeys): the content of a file such as ~/.ssh/id_ed25519.pub"
type SSHSpec struct {
	// publicKey is the owner's public key, the one line of a file such as
	// ~/.ssh/id_ed25519.pub: "ssh-ed25519 AAAA… comment". Accepted types are
	// ssh-ed25519, ssh-rsa of 2048 bits or more, ecdsa-sha2-nistp256, -384 and
	// -521, sk-ssh-ed25519@openssh.com and sk-ecdsa-sha2-nistp256@openssh.com.
	// A change takes effect without a restart.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="publicKey must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKey string `json:"publicKey,omitempty"`

	// publicKeys are further public keys that may log in, such as a second
	// computer's or a teammate's, each in the form of publicKey. At most 64.
	// A change takes effect without a restart.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="each of publicKeys must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKeys []string `json:"publicKeys,omitempty"`

	// service is the Service through which SSH is reached.
	//
	// +optional
	// +kubebuilder:default={}
	Service SSHServiceSpec `json:"service,omitzero"`
}

// SSHServiceType is the type of the Service NAME-ssh.
//
// +kubebuilder:validation:Enum=NodePort;LoadBalancer;ClusterIP;None
type SSHServiceType string

const (
	// SSHServiceNodePort opens one port on every node.
	SSHServiceNodePort SSHServiceType = "NodePort"
	// SSHServiceLoadBalancer asks the cloud for an address of its own.
	SSHServiceLoadBalancer SSHServiceType = "LoadBalancer"
	// SSHServiceClusterIP is reachable inside the cluster only.
	SSHServiceClusterIP SSHServiceType = "ClusterIP"
	// SSHServiceNone makes no Service.
	SSHServiceNone SSHServiceType = "None"
)

// SSHServiceSpec is the Service through which SSH is reached.
type SSHServiceSpec struct {
	// type is NodePort (the default: a port on every node), LoadBalancer (an
	// address of its own), ClusterIP (inside the cluster only) or None (no
	// Service of its own: through the gateway, or kubectl port-forward).
	//
	// +optional
	// +kubebuilder:default=NodePort
	Type SSHServiceType `json:"type,omitempty"`

	// annotations are put on the Service, for example to ask a cloud for an
	// internal load balancer. At most 32. Those of devserver.io and
	// kubernetes.io's own are kept for the operator.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$') && !k.matches('^([a-z0-9.-]*[.])?devserver[.]io/'))",message="annotations must have valid annotation keys, none of them of devserver.io"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// AnnotationValue is the value of an annotation. At most 4096 characters.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// LocalObjectReference names an object in the same namespace.
type LocalObjectReference struct {
	// name of the object.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// EnvVar is an environment variable.
type EnvVar struct {
	// name of the variable: letters, digits and "_", not starting with a digit.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name,omitempty"`

	// value of the variable, as it is: "$(NAME)" is not expanded. At most 32768
	// characters. Default empty.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Value string `json:"value,omitempty"`
}
