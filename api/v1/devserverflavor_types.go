package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DevServerFlavor is a kind of DevServer that an admin offers: the resources of
// a server and the nodes that it can run on.
//
// An edit never restarts a running server. It takes effect at the server's next
// start; until then, the server's RestartPending condition is True. Only
// lifecycle and lifecycleBounds take effect at once.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=devflavor
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.spec.resources.requests.cpu`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.spec.resources.requests.memory`
// +kubebuilder:printcolumn:name="GPU",type=string,JSONPath=`.spec.resources.limits.nvidia\.com/gpu`
// +kubebuilder:printcolumn:name="Schedulable",type=string,JSONPath=`.status.schedulable`
// +kubebuilder:printcolumn:name="Fits",type=integer,JSONPath=`.status.fits`
// +kubebuilder:printcolumn:name="InUse",type=integer,JSONPath=`.status.inUse`
// +kubebuilder:printcolumn:name="Default",type=string,JSONPath=`.status.conditions[?(@.type=="Default")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Root",type=string,priority=1,JSONPath=`.spec.root`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Schedulable")].message`
type DevServerFlavor struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what a server of this flavor gets.
	// +required
	Spec DevServerFlavorSpec `json:"spec"`
	// status is the capacity that the cluster has for this flavor. The operator
	// writes it.
	// +optional
	Status DevServerFlavorStatus `json:"status,omitempty"`
}

// DevServerFlavorList is a list of DevServerFlavors.
//
// +kubebuilder:object:root=true
type DevServerFlavorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the DevServerFlavors.
	Items []DevServerFlavor `json:"items"`
}

// DevServerFlavorSpec is what a server of this flavor gets.
type DevServerFlavorSpec struct {
	// The rules check exponents first, because a quantity such as 1e1000000000
	// would keep the API server busy for minutes.

	// resources are the requests and limits of the server's container,
	// including extended resources such as GPUs: {requests: {cpu: "4", memory:
	// 16Gi}, limits: {memory: 16Gi, nvidia.com/gpu: 1}}. A request must not
	// exceed the limit of the same resource. An extended resource requires a
	// limit. At most 32 requests and 32 limits. claims are not supported. The
	// pod requests these and, in addition, sshResources.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resources.claims are not supported"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, !string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k])) && !quantity(string(self.limits[k])).isLessThan(quantity('0')))",message="each of resources.limits must be a non-negative quantity, such as 16Gi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, !string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k])) && !quantity(string(self.requests[k])).isLessThan(quantity('0')))",message="each of resources.requests must be a non-negative quantity, such as 16Gi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || !(!string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k]))) || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || quantity(string(self.limits[k])).isLessThan(quantity('0')) || !quantity(string(self.requests[k])).isGreaterThan(quantity(string(self.limits[k]))))",message="a request in resources must not exceed the limit of the same resource: lower the request or raise the limit"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, !k.startsWith('hugepages-') && (!k.contains('/') || k.contains('kubernetes.io/')) || has(self.limits) && k in self.limits && (!(!string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k]))) || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || !quantity(string(self.requests[k])).isLessThan(quantity(string(self.limits[k])))))",message="a request for huge pages or for an extended resource such as nvidia.com/gpu must have an equal limit: set the limit and leave the request out"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, !k.contains('/') || k.contains('kubernetes.io/') || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || quantity(string(self.limits[k])).isInteger())",message="the limit of an extended resource such as nvidia.com/gpu must be a whole number, such as 1"
	// +kubebuilder:validation:XValidation:rule="(!has(self.limits) || self.limits.all(k, k.size() <= 317 && k.matches('^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$'))) && (!has(self.requests) || self.requests.all(k, k.size() <= 317 && k.matches('^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$')))",message="each of resources.limits and resources.requests must be cpu, memory, ephemeral-storage, hugepages-SIZE or an extended resource with its domain, such as nvidia.com/gpu"
	Resources corev1.ResourceRequirements `json:"resources"`

	// sshResources are the requests and limits of the SSH server's container:
	// {limits: {cpu: "1"}}. The pod requests them in addition to resources, so
	// that a server that runs out of memory still answers. Only cpu, memory and
	// ephemeral-storage. Each value replaces the default of that resource.
	//
	// Default: requests of 10m CPU and 32Mi memory, a memory limit of 128Mi,
	// and no CPU limit, because encryption takes up to a core while data moves.
	// If resources has limits for CPU and memory, and requests that are equal
	// or absent, the pod has the quality of service class Guaranteed. To keep
	// it, the default is then 500m CPU and 128Mi memory, as requests and as
	// limits. If you set only the request or only the limit of a resource, the
	// other gets the same value.
	//
	// ResourceQuotas and LimitRanges of the server's namespace can require more
	// of each container. The operator raises requests and limits that are below
	// the minimum of a LimitRange, and requests that are too small for its
	// maxLimitRequestRatio. If no CPU limit is set, the operator sets the
	// smallest default of the LimitRanges. If they have no default, but a quota
	// has limits.cpu or a LimitRange has a maxLimitRequestRatio for cpu, the
	// operator sets a limit of 1. These changes take effect at the next start,
	// and the server does not report RestartPending. The operator does not
	// lower a value that is above the maximum of a LimitRange. Kubernetes then
	// refuses the pod, and the Ready condition reports AdmissionRefused.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="sshResources.claims are not supported"
	// +kubebuilder:validation:XValidation:rule="[self.?limits.orValue({}), self.?requests.orValue({})].all(l, l.all(k, k in ['cpu', 'memory', 'ephemeral-storage']))",message="each of sshResources.limits and sshResources.requests must be cpu, memory or ephemeral-storage"
	// +kubebuilder:validation:XValidation:rule="[self.?limits.orValue({}), self.?requests.orValue({})].all(l, l.all(k, !string(l[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(l[k])) && !quantity(string(l[k])).isLessThan(quantity('0'))))",message="each of sshResources.limits and sshResources.requests must be a non-negative quantity, such as 64Mi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || !(!string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k]))) || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || !quantity(string(self.requests[k])).isGreaterThan(quantity(string(self.limits[k]))))",message="a request in sshResources must not exceed the limit of the same resource: lower the request or raise the limit"
	SSHResources *corev1.ResourceRequirements `json:"sshResources,omitempty"`

	// nodeSelector are labels that a node must have to run the server, for
	// example {node.kubernetes.io/instance-type: p5.48xlarge}. At most 32.
	// Default: any node.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations let the server run on nodes with matching taints, for example
	// [{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}]. At most
	// 32. Default: none.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity is the affinity of the pod, as in a Kubernetes PodSpec. A node
	// must satisfy both affinity and nodeSelector. Default: none.
	//
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints spread servers over zones or nodes, as in a
	// Kubernetes PodSpec. To select servers, use the label
	// app.kubernetes.io/name: devserver. At most 8. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +listMapKey=whenUnsatisfiable
	// +kubebuilder:validation:MaxItems=8
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName is the PriorityClass of the pod, for example
	// "gpu-high". Kubernetes evicts pods of a lower priority if a pod of a
	// higher priority needs their resources. At most 253 characters. Default:
	// the cluster's default PriorityClass.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// runtimeClassName is the RuntimeClass of the pod, for example "nvidia" or
	// "gvisor". At most 253 characters. Default: the node's default runtime.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// schedulerName is the scheduler that assigns the pod to a node. At most
	// 253 characters. Default: the cluster's default scheduler.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SchedulerName string `json:"schedulerName,omitempty"`

	// image is the container image of servers that do not set spec.image, for
	// example "registry.example.com/ml/pytorch:2.9". At most 1024 characters
	// without spaces. Default: the operator's default image.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="image must be an image reference without spaces, such as registry.example.com/team/image:tag"
	Image string `json:"image,omitempty"`

	// imagePullPolicy is when the node pulls the image of servers that do not
	// set imagePullPolicy: Always, IfNotPresent or Never. Default: Always for
	// the tag "latest", IfNotPresent for any other tag.
	//
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets are the names of Secrets that the node uses to pull the
	// image, in addition to those that the server names. They must exist in the
	// server's namespace. At most 16. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// allowedImages are patterns for the spec.image of servers, which must
	// match one of them, for example "registry.example.com/ml/*" for every
	// image and tag below that path. "*" matches any characters, including "/"
	// and ":". The flavor's image and the operator's default image are always
	// allowed. At most 64. Default: an empty list, which allows every image.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	AllowedImages []string `json:"allowedImages,omitempty"`

	// volumes are PersistentVolumeClaims that every server of this flavor
	// mounts, for example [{claimName: datasets, mountPath: /data}]. They must
	// exist in the server's namespace. A server's own volume with the same
	// mount path replaces the flavor's. At most 32. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	Volumes []VolumeMount `json:"volumes,omitempty"`

	// sharedMemorySize is the maximum size of /dev/shm, for example "64Gi".
	// Data loaders often need much of it. Its contents count as memory of the
	// server. From 1Mi to 16Ti. Default: half of the memory limit or, without a
	// memory limit, as much as the node allows.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi')) && !quantity(string(self)).isGreaterThan(quantity('16Ti'))",message="sharedMemorySize must be a size from 1Mi to 16Ti, such as 64Gi"
	// +kubebuilder:validation:MaxLength=32
	SharedMemorySize *resource.Quantity `json:"sharedMemorySize,omitempty"`

	// homeSize is the range that spec.persistentHomeSize of a server must be
	// in, for example {min: 10Gi, max: 1Ti}. A server outside of it does not
	// start, and its Ready condition reports HomeSizeNotAllowed. A server that
	// is already running keeps running. Default: no bounds.
	//
	// +optional
	HomeSize *SizeBounds `json:"homeSize,omitempty"`

	// env are environment variables of every server of this flavor. A server's
	// own variable of the same name overrides the flavor's. At most 256.
	// Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// default makes this the flavor of servers that name no flavor. If several
	// flavors set it, the oldest is the default. Default false.
	//
	// +optional
	Default bool `json:"default,omitempty"`

	// lifecycle is the lifecycle of servers that do not set their own. Each
	// field that a server sets overrides the flavor's. Default: the operator's
	// defaults.
	//
	// +optional
	Lifecycle *LifecycleSpec `json:"lifecycle,omitempty"`

	// lifecycleBounds limit the lifecycle of servers of this flavor. They apply
	// to running servers at once: instead of a value outside of the bounds, the
	// nearest bound applies. A server whose own lifecycle is outside of the
	// bounds does not start, and its Ready condition reports
	// LifecycleNotAllowed. Default: no bounds.
	//
	// +optional
	LifecycleBounds *LifecycleBounds `json:"lifecycleBounds,omitempty"`

	// root is whether users can become root in the server. A change takes
	// effect at the next start of the server.
	//
	// None, the default: users cannot become root. The server meets the
	// restricted Pod Security Standard, and sudo and su have no effect.
	//
	// UserNamespace: the keys of the server also open "ssh root@SERVER", for
	// apt-get install and everything else that requires root. sudo and su work
	// if the image contains and allows them. "ssh dev@SERVER" has the same user
	// id, home directory and files as without root. Changes that root makes
	// outside of the home directory and the volumes, including in /root, are
	// lost at the next start; put lasting changes into the image. Files that
	// root creates in the home directory belong to root, even if the server
	// later has no root.
	//
	// Root exists only in a user namespace: on the node, its user id has no
	// privileges. UserNamespace requires nodes with Linux 6.3 or later; a
	// container runtime that supports image volumes in user namespaces
	// (containerd releases from March 2026 on); a namespace with the Pod
	// Security level baseline, because restricted allows no capabilities; and
	// user ids below 65536. It also requires volumes whose file systems support
	// ID-mapped mounts: ext4, XFS, Btrfs and tmpfs do, NFS does not. A server
	// with any other volume does not start, and its Ready condition reports
	// VolumeNotIdmappable.
	//
	// +optional
	Root RootAccess `json:"root,omitempty"`

	// podTemplate is a strategic merge patch of a PodTemplateSpec that is
	// merged into the pod of every server of this flavor. Use it for settings
	// that have no field here, such as host aliases, a sidecar, an annotation
	// for a device plugin or a capability for a profiler: {spec: {containers:
	// [{name: devserver, securityContext: {capabilities: {add:
	// [SYS_PTRACE]}}}]}}. The server's container is named devserver, that of
	// the SSH server ssh, and the init container prepare. The operator
	// overrides changes to what it depends on: the containers ssh and prepare;
	// the command, ports and probes of devserver; and the pod's labels,
	// volumes, user ids and, with root, user namespace. The containers never
	// share a process namespace. If the patch cannot be merged, the servers'
	// Ready condition reports InvalidFlavor. Default: none.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
}

// RootAccess is whether, and how, users can become root in a server.
//
// +kubebuilder:validation:Enum=None;UserNamespace
type RootAccess string

const (
	// RootNone: users cannot become root. An empty value means the same.
	RootNone RootAccess = "None"
	// RootUserNamespace: users can become root in a user namespace of the pod.
	RootUserNamespace RootAccess = "UserNamespace"
)

// SizeBounds are a minimum and a maximum size.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !isQuantity(string(self.min)) || !isQuantity(string(self.max)) || string(self.min).matches('[eE][-+]?[0-9]{3}') || string(self.max).matches('[eE][-+]?[0-9]{3}') || !quantity(string(self.min)).isGreaterThan(quantity(string(self.max)))",message="min must not be above max"
type SizeBounds struct {
	// min is the minimum size, for example "10Gi". Default: none.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",message="min must be a size, such as 10Gi"
	// +kubebuilder:validation:MaxLength=32
	Min *resource.Quantity `json:"min,omitempty"`

	// max is the maximum size, for example "1Ti". Default: none.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",message="max must be a size, such as 1Ti"
	// +kubebuilder:validation:MaxLength=32
	Max *resource.Quantity `json:"max,omitempty"`
}
