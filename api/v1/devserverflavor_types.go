package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DevServerFlavor is a size of DevServer that the cluster's admin offers: the
// resources of a server and the nodes that it may run on.
//
// An edit never restarts a running server: it takes effect at its next start,
// and until then the server's RestartPending condition says so.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=devflavor
// +kubebuilder:printcolumn:name="CPU",type=string,JSONPath=`.spec.resources.requests.cpu`
// +kubebuilder:printcolumn:name="Memory",type=string,JSONPath=`.spec.resources.requests.memory`
// +kubebuilder:printcolumn:name="GPU",type=string,JSONPath=`.spec.resources.limits.nvidia\.com/gpu`
// +kubebuilder:printcolumn:name="Default",type=boolean,JSONPath=`.spec.default`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type DevServerFlavor struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what a server of this flavor gets.
	// +required
	Spec DevServerFlavorSpec `json:"spec"`
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
	// {memory: 16Gi, nvidia.com/gpu: 1}}. claims are not supported. /dev/shm is
	// half of the memory limit, or as large as the node allows without one.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.claims)",message="resources.claims are not supported"
	// +kubebuilder:validation:XValidation:rule="!has(self.limits) || self.limits.all(k, !string(self.limits[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.limits[k])) && !quantity(string(self.limits[k])).isLessThan(quantity('0')))",message="each of resources.limits must be a quantity that is not negative, such as 16Gi, 500m or 1"
	// +kubebuilder:validation:XValidation:rule="!has(self.requests) || self.requests.all(k, !string(self.requests[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self.requests[k])) && !quantity(string(self.requests[k])).isLessThan(quantity('0')))",message="each of resources.requests must be a quantity that is not negative, such as 16Gi, 500m or 1"
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

	// image is the container image of servers that name none themselves. Left
	// out, it is the operator's default image.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]+$')",message="image must be an image reference without spaces, such as registry.example.com/team/image:tag"
	Image string `json:"image,omitempty"`

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
}
