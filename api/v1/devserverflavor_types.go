package v1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DevServerFlavor is a size of DevServer that the cluster's admin offers: the
// resources of a server and the nodes that it may run on.
//
// An edit never restarts a running server: it takes effect at its next start,
// and until then the server's RestartPending condition says so. Only lifecycle
// and its bounds act at once.
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
	// status is what the cluster has room for. The operator writes it.
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
	// The rules look at exponents first: the API server would compute for
	// minutes on a quantity such as 1e1000000000.

	// resources are the requests and limits of the server's container, with
	// any extended resource: {requests: {cpu: "4", memory: 16Gi}, limits:
	// {memory: 16Gi, nvidia.com/gpu: 1}}. claims are not supported.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resources.claims are not supported"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, !string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k])) && !quantity(string(self.limits[k])).isLessThan(quantity('0')))",message="each of resources.limits must be a quantity that is not negative, such as 16Gi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, !string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k])) && !quantity(string(self.requests[k])).isLessThan(quantity('0')))",message="each of resources.requests must be a quantity that is not negative, such as 16Gi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || !(!string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k]))) || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || !quantity(string(self.requests[k])).isGreaterThan(quantity(string(self.limits[k]))))",message="a request in resources must not exceed the limit of the same resource: lower the request or raise the limit"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, !k.startsWith('hugepages-') && (!k.contains('/') || k.contains('kubernetes.io/')) || has(self.limits) && k in self.limits && (!(!string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k]))) || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || !quantity(string(self.requests[k])).isLessThan(quantity(string(self.limits[k])))))",message="a request for huge pages or for an extended resource such as nvidia.com/gpu must have an equal limit: set the limit and leave the request out"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, !k.contains('/') || k.contains('kubernetes.io/') || !(!string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k]))) || quantity(string(self.limits[k])).isInteger())",message="the limit of an extended resource such as nvidia.com/gpu must be a whole number, such as 1"
	// +kubebuilder:validation:XValidation:rule="(!has(self.limits) || self.limits.all(k, k.size() <= 317 && k.matches('^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$'))) && (!has(self.requests) || self.requests.all(k, k.size() <= 317 && k.matches('^(cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMGT]i|[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$')))",message="each of resources.limits and resources.requests must be cpu, memory, ephemeral-storage, hugepages-SIZE or an extended resource with its domain, such as nvidia.com/gpu"
	Resources corev1.ResourceRequirements `json:"resources"`

	// nodeSelector are labels that a node must have to run the server, for
	// example {node.kubernetes.io/instance-type: p5.48xlarge}. At most 32.
	//
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// tolerations let the server run on tainted nodes. At most 32.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`

	// affinity is the pod's affinity, as in Kubernetes, beside nodeSelector.
	//
	// +optional
	Affinity *corev1.Affinity `json:"affinity,omitempty"`

	// topologySpreadConstraints spread servers over zones or nodes, as in
	// Kubernetes. Servers are selected by app.kubernetes.io/name: devserver. At
	// most 8.
	//
	// +optional
	// +listType=map
	// +listMapKey=topologyKey
	// +listMapKey=whenUnsatisfiable
	// +kubebuilder:validation:MaxItems=8
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`

	// priorityClassName is the PriorityClass of the pod: what may take the place
	// of what when the cluster is full. Left out, it is the cluster's default.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PriorityClassName string `json:"priorityClassName,omitempty"`

	// runtimeClassName is the RuntimeClass of the pod, such as nvidia or gvisor.
	// Left out, it is the node's default.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RuntimeClassName string `json:"runtimeClassName,omitempty"`

	// schedulerName is the scheduler that places the pod. Left out, it is the
	// cluster's default.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	SchedulerName string `json:"schedulerName,omitempty"`

	// image is the container image of servers that name none themselves. Left
	// out, it is the operator's default image.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="image must be an image reference without spaces, such as registry.example.com/team/image:tag"
	Image string `json:"image,omitempty"`

	// imagePullPolicy says when the node fetches the image, for servers that do
	// not say it themselves: Always, IfNotPresent or Never. Left out, Kubernetes
	// decides: Always for the tag "latest", else IfNotPresent.
	//
	// +optional
	// +kubebuilder:validation:Enum=Always;IfNotPresent;Never
	ImagePullPolicy corev1.PullPolicy `json:"imagePullPolicy,omitempty"`

	// imagePullSecrets are the names of Secrets with which the node fetches the
	// image, beside the server's own. They must be in the server's namespace.
	// At most 16.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	ImagePullSecrets []LocalObjectReference `json:"imagePullSecrets,omitempty"`

	// allowedImages are patterns of which a server's spec.image must match one:
	// "registry.example.com/ml/*" allows every image and tag below that path.
	// "*" stands for any characters, "/" and ":" among them. Left out, every
	// image is allowed. The flavor's own and the operator's default image always
	// are. At most 64.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	AllowedImages []string `json:"allowedImages,omitempty"`

	// volumes are PersistentVolumeClaims that every server of this flavor
	// mounts, by name, from its own namespace. A server's own volume with the
	// same mount path takes its place. At most 32.
	//
	// +optional
	// +listType=map
	// +listMapKey=mountPath
	// +kubebuilder:validation:MaxItems=32
	Volumes []VolumeMount `json:"volumes,omitempty"`

	// sharedMemorySize is the size of /dev/shm, which data loaders need much of.
	// What is in it counts as memory. Left out, it is half of the memory limit,
	// or as large as the node allows without one. From 1Mi to 16Ti.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('1Mi')) && !quantity(string(self)).isGreaterThan(quantity('16Ti'))",message="sharedMemorySize must be a size from 1Mi to 16Ti, such as 64Gi"
	// +kubebuilder:validation:MaxLength=32
	SharedMemorySize *resource.Quantity `json:"sharedMemorySize,omitempty"`

	// homeSize bounds spec.persistentHomeSize of servers of this flavor. A
	// server beyond the bounds does not start, and says so; one that runs goes
	// on.
	//
	// +optional
	HomeSize *SizeBounds `json:"homeSize,omitempty"`

	// env are environment variables of every server of this flavor. A server's
	// own of the same name wins. At most 256.
	//
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=256
	Env []EnvVar `json:"env,omitempty"`

	// default makes this the flavor of servers that name none. When several
	// claim it, the oldest is the default. Default false.
	//
	// +optional
	Default bool `json:"default,omitempty"`

	// lifecycle is what holds for servers that do not say it themselves.
	//
	// +optional
	Lifecycle *LifecycleSpec `json:"lifecycle,omitempty"`

	// lifecycleBounds bound what servers of this flavor may ask for in their
	// lifecycle. They act on running servers at once: of one that asks for more,
	// the bound counts. It does not start like that, and says so.
	//
	// +optional
	LifecycleBounds *LifecycleBounds `json:"lifecycleBounds,omitempty"`

	// root says whether who may log in may be root in the server:
	//
	// None, the default: nobody is root. The server meets the restricted Pod
	// Security Standard, and sudo and su have no effect.
	//
	// UserNamespace: "ssh root@SERVER" works, by the keys of the server, for
	// apt-get install and all else that takes root, as do sudo and su where the
	// image has and allows them. "ssh dev@SERVER" is as it is without: the same
	// user id, home directory and files. What root changes outside of the home
	// directory and the volumes is gone at the next start, /root too: what is to
	// stay belongs into the image. Files that root makes in the home directory
	// are root's there, also in a server without root.
	//
	// Root is that of a user namespace: on the node it is an id without any
	// rights. This needs nodes with Linux 6.3 or later and a container runtime
	// that has image volumes in user namespaces (containerd's releases from
	// March 2026 on), a namespace of the Pod Security level baseline (restricted allows no capability at all), user
	// ids below 65536, and volumes whose file systems can be mounted with mapped
	// ids, as ext4, XFS, Btrfs and tmpfs can, and NFS cannot: a server with
	// another volume does not start, and says VolumeNotIdmappable.
	//
	// A change takes effect at a server's next start.
	//
	// +optional
	Root RootAccess `json:"root,omitempty"`

	// podTemplate is merged into the pod of every server of this flavor, as a
	// strategic merge patch of a PodTemplateSpec: for what has no field here,
	// such as hostname aliases, a sidecar, an annotation for a device plugin or
	// a capability for a profiler. The server's container is called devserver,
	// its init container prepare:
	// {spec: {containers: [{name: devserver, securityContext: {capabilities:
	// {add: [SYS_PTRACE]}}}]}}. What the operator needs cannot be changed: the
	// two containers' commands, ports and probes, its labels, its volumes, its
	// user ids and, with root, its user namespace.
	// One that does not decode is said in the servers' Ready condition.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	PodTemplate *runtime.RawExtension `json:"podTemplate,omitempty"`
}

// RootAccess says whether, and by what means, somebody is root in a server.
//
// +kubebuilder:validation:Enum=None;UserNamespace
type RootAccess string

const (
	// RootNone: nobody is. No value means the same.
	RootNone RootAccess = "None"
	// RootUserNamespace: root of a user namespace of the pod's.
	RootUserNamespace RootAccess = "UserNamespace"
)

// SizeBounds are the least and the greatest size that is allowed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || !isQuantity(string(self.min)) || !isQuantity(string(self.max)) || string(self.min).matches('[eE][-+]?[0-9]{3}') || string(self.max).matches('[eE][-+]?[0-9]{3}') || !quantity(string(self.min)).isGreaterThan(quantity(string(self.max)))",message="min must not be above max"
type SizeBounds struct {
	// min is the least size, such as 10Gi. Default none.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",message="min must be a size, such as 10Gi"
	// +kubebuilder:validation:MaxLength=32
	Min *resource.Quantity `json:"min,omitempty"`

	// max is the greatest size, such as 1Ti. Default none.
	//
	// +optional
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="!string(self).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",message="max must be a size, such as 1Ti"
	// +kubebuilder:validation:MaxLength=32
	Max *resource.Quantity `json:"max,omitempty"`
}
