package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DevServerUser is a user who owns DevServers. All DevServers of this owner
// accept its public keys. The operator creates the namespace dev-USERNAME, in
// which the user can create DevServers.
//
// A DevServerUser is optional. Without one, a DevServer accepts only the keys
// in its own spec, and an admin manages namespaces and permissions.
//
// Deleting a DevServerUser removes the user's access: within seconds, the keys
// in it no longer open any DevServer, sessions that they opened are closed, and
// the user's roles in the namespace are removed. A key in the spec of a
// DevServer still opens that server until you remove it there. The namespace,
// its DevServers and their home directories stay, so that an admin can transfer
// or delete them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=devuser
// +kubebuilder:printcolumn:name="Username",type=string,JSONPath=`.spec.username`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type DevServerUser struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the user, and what they can use.
	// +required
	Spec DevServerUserSpec `json:"spec"`
	// status is the observed state. The operator writes it.
	// +optional
	Status DevServerUserStatus `json:"status,omitempty"`
}

// DevServerUserList is a list of DevServerUsers.
//
// +kubebuilder:object:root=true
type DevServerUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// items are the DevServerUsers.
	Items []DevServerUser `json:"items"`
}

// DevServerUserSpec is the user, and what they can use.
//
// +kubebuilder:validation:XValidation:rule="(has(self.uid) ? self.uid : 1000) == (has(oldSelf.uid) ? oldSelf.uid : 1000)",message="uid cannot be changed, added or removed: the files in the home directories belong to it"
type DevServerUserSpec struct {
	// username is a short name for the user, for example "alice". Their
	// namespace is named dev-USERNAME. 1 to 50 lower-case letters, digits and
	// "-", starting and ending with a letter or digit. It cannot be changed. If
	// two DevServerUsers have the same username, the older one keeps it, and
	// the Ready condition of the other reports UsernameTaken.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="username must be lower-case letters, digits and '-', and start and end with a letter or digit, such as alice"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="username cannot be changed: the namespace is named after it; create another DevServerUser"
	Username string `json:"username,omitempty"`

	// owner is the identity of the user: the value of spec.owner in their
	// DevServers, and their user name in the API server, which comes from their
	// certificate or OpenID Connect token. For example "alice@example.com". 1
	// to 253 printable ASCII characters without spaces. It must not start with
	// "system:", which Kubernetes reserves. It cannot be changed.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[!-~]+$') && !self.startsWith('system:')",message="owner must be printable ASCII characters without spaces, such as user@example.com, and must not start with system:"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="owner cannot be changed: DevServers and home directories belong to it; create another DevServerUser"
	Owner string `json:"owner,omitempty"`

	// publicKeys are the user's SSH public keys, each as the line in a file
	// such as ~/.ssh/id_ed25519.pub. Every DevServer with this owner accepts
	// them in addition to its own. A change takes effect within seconds,
	// without a restart. At most 64. Default: none.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="each of publicKeys must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKeys []string `json:"publicKeys,omitempty"`

	// uid is the user id and group id of the user's servers. If users have
	// different ids, files on shared volumes belong to the user who created
	// them. From 1000 to 2147483646, except 65532, which the SSH server's
	// container has. Default 1000. It cannot be changed, added or removed,
	// because the files in the home directories belong to it.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self != 65532",message="uid must not be 65532: the SSH server in every server's pod runs as it"
	// +kubebuilder:validation:Minimum=1000
	// +kubebuilder:validation:Maximum=2147483646
	UID int64 `json:"uid,omitempty"`

	// podSecurity is the Pod Security level that the user's namespace enforces:
	// Restricted or Baseline. Servers of a flavor with root require Baseline. A
	// stricter level does not stop running pods. Default Restricted.
	//
	// +optional
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`

	// quota limits the total resources of all pods and claims in the user's
	// namespace, as the hard limits of a ResourceQuota:
	// {requests.nvidia.com/gpu: 2, requests.storage: 1Ti,
	// count/devservers.devserver.io: 5}. A quota for CPU or memory also counts
	// the sshResources of each server, and every container must set requests or
	// limits, so use flavors that set them, or a limitRange with defaults. At
	// most 32. Default: no quota.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self[k])) && !quantity(string(self[k])).isLessThan(quantity('0')))",message="each of quota must be a non-negative quantity, such as 64Gi or 2"
	Quota corev1.ResourceList `json:"quota,omitempty"`

	// limitRange are the items of a LimitRange in the user's namespace:
	// minimum, maximum and default resources of each container, pod or claim.
	// For example [{type: Container, max: {cpu: "8"}}]. At most 8, one per
	// type. Default: none.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	LimitRange []LimitRangeItem `json:"limitRange,omitempty"`

	// roles are additional roles for the user in their namespace, besides the
	// ClusterRole devserver-user, which has the rights to use DevServers. For
	// example [{kind: ClusterRole, name: view}]. The operator must be allowed
	// to grant them: the chart's value rbac.bindableClusterRoles must list a
	// ClusterRole, and the operator must itself have all permissions of a Role.
	// At most 16. Default: none.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Roles []RoleReference `json:"roles,omitempty"`
}

// PodSecurityLevel is a level of the Pod Security Standards.
//
// +kubebuilder:validation:Enum=Restricted;Baseline
type PodSecurityLevel string

const (
	// PodSecurityRestricted allows neither root nor capabilities. An empty
	// value means the same.
	PodSecurityRestricted PodSecurityLevel = "Restricted"
	// PodSecurityBaseline allows the defaults of container runtimes, including
	// root.
	PodSecurityBaseline PodSecurityLevel = "Baseline"
)

// LimitRangeItem limits the resources of one type of object in a namespace,
// like an item of a LimitRange.
//
// +kubebuilder:validation:XValidation:rule="[self.?min.orValue({}), self.?max.orValue({}), self.?default.orValue({}), self.?defaultRequest.orValue({})].all(l, l.all(k, !string(l[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(l[k])) && !quantity(string(l[k])).isLessThan(quantity('0'))))",message="each of min, max, default and defaultRequest must be non-negative quantities, such as 16Gi or 500m"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.defaultRequest) || self.min.all(k, !(k in self.defaultRequest) || string(self.min[k]).matches('[eE][-+]?[0-9]{3}') || string(self.defaultRequest[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.min[k])) || !isQuantity(string(self.defaultRequest[k])) || !quantity(string(self.min[k])).isGreaterThan(quantity(string(self.defaultRequest[k]))))",message="min must not be above defaultRequest for any resource"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.default) || self.min.all(k, !(k in self.default) || string(self.min[k]).matches('[eE][-+]?[0-9]{3}') || string(self.default[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.min[k])) || !isQuantity(string(self.default[k])) || !quantity(string(self.min[k])).isGreaterThan(quantity(string(self.default[k]))))",message="min must not be above default for any resource"
// +kubebuilder:validation:XValidation:rule="!has(self.min) || !has(self.max) || self.min.all(k, !(k in self.max) || string(self.min[k]).matches('[eE][-+]?[0-9]{3}') || string(self.max[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.min[k])) || !isQuantity(string(self.max[k])) || !quantity(string(self.min[k])).isGreaterThan(quantity(string(self.max[k]))))",message="min must not be above max for any resource"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultRequest) || !has(self.default) || self.defaultRequest.all(k, !(k in self.default) || string(self.defaultRequest[k]).matches('[eE][-+]?[0-9]{3}') || string(self.default[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.defaultRequest[k])) || !isQuantity(string(self.default[k])) || !quantity(string(self.defaultRequest[k])).isGreaterThan(quantity(string(self.default[k]))))",message="defaultRequest must not be above default for any resource"
// +kubebuilder:validation:XValidation:rule="!has(self.defaultRequest) || !has(self.max) || self.defaultRequest.all(k, !(k in self.max) || string(self.defaultRequest[k]).matches('[eE][-+]?[0-9]{3}') || string(self.max[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.defaultRequest[k])) || !isQuantity(string(self.max[k])) || !quantity(string(self.defaultRequest[k])).isGreaterThan(quantity(string(self.max[k]))))",message="defaultRequest must not be above max for any resource"
// +kubebuilder:validation:XValidation:rule="!has(self.default) || !has(self.max) || self.default.all(k, !(k in self.max) || string(self.default[k]).matches('[eE][-+]?[0-9]{3}') || string(self.max[k]).matches('[eE][-+]?[0-9]{3}') || !isQuantity(string(self.default[k])) || !isQuantity(string(self.max[k])) || !quantity(string(self.default[k])).isGreaterThan(quantity(string(self.max[k]))))",message="default must not be above max for any resource"
// +kubebuilder:validation:XValidation:rule="self.type == 'Container' || (!has(self.default) && !has(self.defaultRequest))",message="default and defaultRequest are for the type Container only"
// +kubebuilder:validation:XValidation:rule="self.type != 'PersistentVolumeClaim' || 'storage' in self.?min.orValue({}) || 'storage' in self.?max.orValue({})",message="the type PersistentVolumeClaim requires min.storage or max.storage"
type LimitRangeItem struct {
	// type is Container, Pod or PersistentVolumeClaim.
	//
	// +required
	// +kubebuilder:validation:Enum=Container;Pod;PersistentVolumeClaim
	Type corev1.LimitType `json:"type,omitempty"`

	// min is the minimum of each resource, for example {memory: 1Gi}. Default:
	// none.
	//
	// +optional
	Min corev1.ResourceList `json:"min,omitempty"`

	// max is the maximum of each resource, for example {memory: 64Gi}. Default:
	// none.
	//
	// +optional
	Max corev1.ResourceList `json:"max,omitempty"`

	// default is the limits of a container that sets none, for example {memory:
	// 4Gi}. Only for the type Container. Default: none.
	//
	// +optional
	Default corev1.ResourceList `json:"default,omitempty"`

	// defaultRequest is the requests of a container that sets none, for example
	// {cpu: 500m}. Only for the type Container. Default: none.
	//
	// +optional
	DefaultRequest corev1.ResourceList `json:"defaultRequest,omitempty"`
}

// RoleReference names a role.
type RoleReference struct {
	// kind is ClusterRole, or Role for one in the user's namespace.
	//
	// +required
	// +kubebuilder:validation:Enum=ClusterRole;Role
	Kind string `json:"kind,omitempty"`

	// name is the name of the role, for example "view". 1 to 253 characters,
	// without "/" and "%".
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[^/%]+$') && self != '.' && self != '..'",message="name must be the name of a role without '/' and '%', such as view"
	Name string `json:"name,omitempty"`
}

// Reasons of the Ready condition of a DevServerUser.
const (
	// ReasonProvisioned: the namespace and everything that the user needs in it
	// exist.
	ReasonProvisioned = "Provisioned"
	// ReasonUsernameTaken: an older DevServerUser has the same username or the
	// same owner.
	ReasonUsernameTaken = "UsernameTaken"
	// ReasonNamespaceConflict: the namespace dev-USERNAME exists and does not
	// belong to this DevServerUser. The operator does not change it.
	ReasonNamespaceConflict = "NamespaceConflict"
	// ReasonNamespaceTerminating: the namespace dev-USERNAME is being deleted.
	// The operator creates it again when it has been deleted.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonUserInvalidKey: a public key cannot be decoded. The other keys are
	// used.
	ReasonUserInvalidKey = "InvalidPublicKey"
	// ReasonUserRefused: the API server refused an object that the user needs,
	// such as the binding of a role that the operator is not allowed to grant.
	ReasonUserRefused = "ObjectRefused"
	// ReasonUserObjectConflict: an object with a name that the operator
	// requires exists and does not belong to this DevServerUser. The operator
	// does not change it.
	ReasonUserObjectConflict = "ForeignObject"
	// ReasonUserQuotaPending: Kubernetes does not count all resources of
	// spec.quota yet. If this persists, a resource in it does not exist.
	ReasonUserQuotaPending = "QuotaPending"
)

// DevServerUserStatus is the observed state of a DevServerUser.
type DevServerUserStatus struct {
	// conditions contains Ready, which is True when the user can create
	// DevServers.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// namespace is the name of the user's namespace. Empty until it exists.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
