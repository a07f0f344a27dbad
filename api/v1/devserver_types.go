package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DevServer is a development server: one pod with a persistent home directory
// and an SSH server that accepts its owner's public keys.
//
// The name of the DevServer is also the host name of the server. It must have
// at most 50 lower-case letters, digits and "-", start with a letter, and end
// with a letter or digit.
//
// Deleting a DevServer deletes its pod, Services and keys, and keeps its home
// volume, the PersistentVolumeClaim home-NAME-0. If you create a DevServer with
// the same name, namespace and owner again, it uses that home volume and has
// the same SSH host key.
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

	// spec is the server that the owner requests.
	// +required
	Spec DevServerSpec `json:"spec"`
	// status is the observed state of the server. The operator writes it.
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

// DevServerSpec is the server that the owner requests.
//
// An edit takes effect at once. Changing flavor, image, imagePullPolicy, env,
// volumes, sharedVolumeClaimName or restartedAt restarts a running server, and
// an event names the field. Changing the SSH keys, the Service,
// persistentHomeSize, home.retentionPolicy or lifecycle does not restart it.
//
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.storageClassName) ? self.home.storageClassName : '-') == (has(oldSelf.home) && has(oldSelf.home.storageClassName) ? oldSelf.home.storageClassName : '-')",message="home.storageClassName cannot be changed, added or removed: it is used only when the home volume is created"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.claimName) ? self.home.claimName : '-') == (has(oldSelf.home) && has(oldSelf.home.claimName) ? oldSelf.home.claimName : '-')",message="home.claimName cannot be changed, added or removed: create another DevServer for another claim"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.ephemeral) && self.home.ephemeral) == (has(oldSelf.home) && has(oldSelf.home.ephemeral) && oldSelf.home.ephemeral)",message="home.ephemeral cannot be changed: create another DevServer instead"
// +kubebuilder:validation:XValidation:rule="(has(self.home) && has(self.home.dataSource) ? self.home.dataSource.kind + '/' + self.home.dataSource.name : '-') == (has(oldSelf.home) && has(oldSelf.home.dataSource) ? oldSelf.home.dataSource.kind + '/' + oldSelf.home.dataSource.name : '-')",message="home.dataSource cannot be changed, added or removed: it is used only when the home volume is created"
type DevServerSpec struct {
	// owner is the user that the server belongs to: an e-mail address or a user
	// name, for example "user@example.com". 1 to 253 printable ASCII characters
	// without spaces. It cannot be changed, because the home directory and the
	// SSH host key belong to the owner.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="owner must be printable ASCII characters without spaces, such as user@example.com"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="owner cannot be changed: the home directory and the SSH host key belong to it; create another DevServer for another owner"
	Owner string `json:"owner,omitempty"`

	// flavor is the name of the DevServerFlavor, which defines the CPUs,
	// memory, GPUs and nodes of the server, for example "gpu-large". Default:
	// the cluster's default flavor, which is the one with spec.default. If the
	// flavor does not exist, the Ready condition reports FlavorNotFound, and
	// the server starts when the flavor is created. A change restarts the
	// server.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Flavor string `json:"flavor,omitempty"`

	// image is the container image of the server, for example
	// "pytorch/pytorch:2.9.0-cuda12.8-cudnn9-devel". Any Linux image works: it
	// needs neither an SSH server nor a user account. At most 1024 characters
	// without spaces. Default: the flavor's image, else the operator's default
	// image. A change restarts the server.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="image must be an image reference without spaces, such as registry.example.com/team/image:tag"
	Image string `json:"image,omitempty"`

	// imagePullPolicy is when the node pulls the image: Always, IfNotPresent or
	// Never. Default: the flavor's imagePullPolicy, else Always for the tag
	// "latest" and IfNotPresent for any other tag. A change restarts the
	// server.
	//
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets are the names of Secrets in the server's namespace that
	// the node uses to pull the image, in addition to the flavor's. For example
	// [{name: registry-credentials}]. At most 16. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// ssh contains the public keys that can log in, and the settings of the
	// Service that exposes the SSH server.
	//
	// +required
	SSH SSHSpec `json:"ssh"`

	// The rules check the exponent first, because a size such as 1e1000000000
	// would keep the API server busy for minutes.

	// persistentHomeSize is the size of the volume with the home directory
	// /home/dev, for example "100Gi". From 1Mi to 1Pi, within the flavor's
	// homeSize bounds. Default 10Gi. It can grow but not shrink. A larger size
	// makes the volume grow, without a restart if the storage supports that.
	// Until the volume has grown, the ResizePending condition is True.
	//
	// +optional
	// +kubebuilder:default="10Gi"
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi')) && !quantity(string(self)).isGreaterThan(quantity('1Pi'))",message="persistentHomeSize must be a size from 1Mi to 1Pi, such as 100Gi"
	// +kubebuilder:validation:XValidation:rule="string(self).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self)) || quantity(string(self)).isLessThan(quantity('1Mi')) || quantity(string(self)).isGreaterThan(quantity('1Pi')) || !quantity(string(self)).isLessThan(quantity(string(oldSelf)))",message="persistentHomeSize cannot shrink: a volume only grows"
	// +kubebuilder:validation:MaxLength=32
	PersistentHomeSize resource.Quantity `json:"persistentHomeSize,omitzero"`

	// home is the kind of volume that holds the home directory, and whether it
	// is deleted with the DevServer.
	//
	// +optional
	Home *HomeSpec `json:"home,omitempty"`

	// sharedVolumeClaimName is the name of an existing PersistentVolumeClaim in
	// the server's namespace to mount at /shared, for example a ReadWriteMany
	// claim that many servers mount. Default: none. If the claim does not
	// exist, the Ready condition reports ClaimNotFound, and the server starts
	// when the claim is created. A change restarts the server.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SharedVolumeClaimName string `json:"sharedVolumeClaimName,omitempty"`

	// volumes are more PersistentVolumeClaims in the server's namespace to
	// mount, for example [{claimName: datasets, mountPath: /data, readOnly:
	// true}]. A volume replaces the flavor's volume with the same mount path.
	// At most 32. A change restarts the server.
	//
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	Volumes []VolumeMount `json:"volumes,omitempty"`

	// env are environment variables for every session, for example [{name:
	// HF_HOME, value: /shared/hf}]. They override variables of the same name
	// from the image and the flavor. At most 256. A change restarts the server.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// restartedAt restarts the server when it is set, or changed to a later
	// time, for example "2026-01-31T09:00:00Z". The restart happens at once,
	// even if the time is in the future. Removing it, or changing it to an
	// earlier time, has no effect. It also starts a server that expired, or
	// that was suspended by its idle timeout or schedule. Default: none.
	//
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`

	// suspend stops the server while it is true: its processes receive SIGTERM
	// and have lifecycle.terminationGracePeriodSeconds to end, then its pod is
	// deleted. The home directory, name, keys and Services stay. Only setting
	// it back to false starts the server again: a connection or a schedule does
	// not. Default false.
	//
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// lifecycle is when the server stops automatically, and when the DevServer
	// is deleted. Default: the flavor's lifecycle.
	//
	// +optional
	Lifecycle *LifecycleSpec `json:"lifecycle,omitempty"`
}

// SSHSpec contains the public keys that can log in to a DevServer, and the
// settings of the Service that exposes its SSH server.
//
// +kubebuilder:validation:XValidation:rule="has(self.publicKey) || (has(self.publicKeys) && size(self.publicKeys) > 0)",message="ssh requires publicKey or publicKeys: the content of a file such as ~/.ssh/id_ed25519.pub"
type SSHSpec struct {
	// publicKey is the owner's SSH public key: the line in a file such as
	// ~/.ssh/id_ed25519.pub, "ssh-ed25519 AAAA… comment". Supported types are
	// ssh-ed25519, ssh-rsa with at least 2048 bits, ecdsa-sha2-nistp256,
	// ecdsa-sha2-nistp384, ecdsa-sha2-nistp521, sk-ssh-ed25519@openssh.com and
	// sk-ecdsa-sha2-nistp256@openssh.com. At most 8192 characters. A change
	// takes effect without a restart. Either publicKey or publicKeys is
	// required.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="publicKey must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKey string `json:"publicKey,omitempty"`

	// publicKeys are more SSH public keys that can log in, for example those of
	// a second computer or a teammate. Each has the form of publicKey. At most
	// 64. A change takes effect without a restart.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="each of publicKeys must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKeys []string `json:"publicKeys,omitempty"`

	// service is the Service NAME-ssh, which exposes the SSH server. Default: a
	// NodePort.
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
	// SSHServiceLoadBalancer requests a load balancer with its own address.
	SSHServiceLoadBalancer SSHServiceType = "LoadBalancer"
	// SSHServiceClusterIP is reachable only inside the cluster.
	SSHServiceClusterIP SSHServiceType = "ClusterIP"
	// SSHServiceNone creates no Service.
	SSHServiceNone SSHServiceType = "None"
)

// SSHServiceSpec is the Service that exposes the SSH server.
type SSHServiceSpec struct {
	// type is NodePort (a port on every node), LoadBalancer (its own address),
	// ClusterIP (reachable only inside the cluster) or None (no Service: log in
	// through the gateway or kubectl port-forward). The cluster's admins choose
	// which types are allowed: by default, all except LoadBalancer. Default
	// NodePort. A change takes effect without a restart, and can change the
	// address of the server.
	//
	// +optional
	// +kubebuilder:default=NodePort
	Type SSHServiceType `json:"type,omitempty"`

	// annotations are annotations for the Service, for example
	// {service.beta.kubernetes.io/aws-load-balancer-scheme: internal}. Other
	// controllers act on them, so the cluster's admins choose which keys are
	// allowed, with the chart's value policies.sshService.annotations: by
	// default, none. At most 32. Keys in devserver.io and its subdomains are
	// reserved. Default: none.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$') && !k.matches('^([a-z0-9.-]*[.])?devserver[.]io/'))",message="annotations must have valid annotation keys outside of devserver.io, which is reserved"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// AnnotationValue is the value of an annotation. At most 4096 characters.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// LocalObjectReference names an object in the same namespace.
type LocalObjectReference struct {
	// name is the name of the object, for example "registry-credentials". 1 to
	// 253 characters.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// EnvVar is an environment variable.
type EnvVar struct {
	// name is the name of the variable, for example "HF_HOME". 1 to 256
	// letters, digits and "_", not starting with a digit.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name,omitempty"`

	// value is the value of the variable. It is used literally: "$(NAME)" is
	// not expanded. At most 32768 characters. Default: empty.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Value string `json:"value,omitempty"`
}
