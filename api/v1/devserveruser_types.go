package v1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// DevServerUser is a person who has DevServers: their public keys, which every
// DevServer of theirs accepts, and a namespace dev-USERNAME in which they may
// create DevServers and nothing else may touch them.
//
// It is not needed to own a DevServer: without one, a DevServer has the keys of
// its own spec, and namespaces are the admin's business.
//
// Deleting a DevServerUser is off-boarding in one step: the keys in it stop
// opening any DevServer within seconds and sessions that they opened are cut,
// and the roles in their namespace are taken away. (A key in the spec of a
// DevServer itself opens that one until it is taken out there.) The namespace,
// the DevServers in it and their home directories are kept, for the admin to
// hand over or to delete.
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

	// spec is who the person is and what they may use.
	// +required
	Spec DevServerUserSpec `json:"spec"`
	// status is what is there. The operator writes it.
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

// DevServerUserSpec is who a person is and what they may use.
//
// +kubebuilder:validation:XValidation:rule="(has(self.uid) ? self.uid : 1000) == (has(oldSelf.uid) ? oldSelf.uid : 1000)",message="uid cannot be changed, added or removed: the files in the home directories belong to it"
type DevServerUserSpec struct {
	// username is a short name for the person, for example "alice". Their
	// namespace is dev-USERNAME. A DNS label of at most 50 lower-case letters,
	// digits and "-". It cannot be changed. When two DevServerUsers have the
	// same, the older keeps it and the younger says so in its Ready condition.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=50
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="username must be lower-case letters, digits and '-', and start and end with a letter or digit, such as alice"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="username cannot be changed: the namespace is named after it; create another DevServerUser"
	Username string `json:"username,omitempty"`

	// owner is the identity of the person, as in spec.owner of their DevServers
	// and as the API server knows them: the user name of their certificate or
	// of their OpenID Connect token, for example "alice@example.com". It cannot
	// be changed. 1 to 253 printable ASCII characters without spaces. Names
	// that begin with "system:" belong to Kubernetes.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[!-~]+$') && !self.startsWith('system:')",message="owner must be printable ASCII characters without spaces, such as user@example.com, and not begin with system:"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="owner cannot be changed: DevServers and home directories belong to it; create another DevServerUser"
	Owner string `json:"owner,omitempty"`

	// publicKeys are the person's SSH public keys, each the one line of a file
	// such as ~/.ssh/id_ed25519.pub. Every DevServer with this owner accepts
	// them beside its own. A change reaches running servers within seconds and
	// restarts none. At most 64.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=8192
	// +kubebuilder:validation:items:XValidation:rule="self.matches('^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh[.]com|sk-ecdsa-sha2-nistp256@openssh[.]com) [A-Za-z0-9+/]+=?=?=?( [^\\\\x00-\\\\x1f\\\\x7f]*)?$')",message="each of publicKeys must be one public key on one line, as in a .pub file: type, base64 and an optional comment, without options"
	PublicKeys []string `json:"publicKeys,omitempty"`

	// uid is the user id, and the group id, with which the person's servers
	// run, so that their files on shared volumes are theirs. Default 1000, which
	// all share. From 1000 to 2147483646. It cannot be changed: the files in
	// the home directories belong to it.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1000
	// +kubebuilder:validation:Maximum=2147483646
	UID int64 `json:"uid,omitempty"`

	// podSecurity is the Pod Security level that the person's namespace enforces:
	// Restricted, the default, or Baseline, which servers of a flavor with root
	// need. A pod that runs goes on when the level is raised. Default Restricted.
	//
	// +optional
	PodSecurity PodSecurityLevel `json:"podSecurity,omitempty"`

	// quota limits what all pods and claims in the person's namespace may ask
	// for together, as the hard limits of a ResourceQuota:
	// {requests.nvidia.com/gpu: 2, requests.storage: 1Ti,
	// count/devservers.devserver.io: 5}. Left out, there is none. A quota of CPU or
	// memory asks every container for its requests or limits, so that it wants
	// flavors that set them, or a limitRange with defaults. At most 32.
	//
	// +optional
	// +kubebuilder:validation:XValidation:rule="self.all(k, !string(self[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(self[k])) && !quantity(string(self[k])).isLessThan(quantity('0')))",message="each of quota must be a quantity that is not negative, such as 64Gi or 2"
	Quota corev1.ResourceList `json:"quota,omitempty"`

	// limitRange are the limits of a LimitRange in the person's namespace: what
	// a container or claim may ask for at least and at most, and what it gets
	// when it asks for nothing. At most 8.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	LimitRange []LimitRangeItem `json:"limitRange,omitempty"`

	// roles are further roles in the person's namespace, beside the one that
	// the work with DevServers needs. The operator must be allowed to bind them:
	// the chart's value rbac.bindableClusterRoles lists the ClusterRoles, and of a
	// Role it must have all the rights itself. At most 16.
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
	// PodSecurityRestricted allows no root and no capability. No value means the
	// same.
	PodSecurityRestricted PodSecurityLevel = "Restricted"
	// PodSecurityBaseline allows what container runtimes give by default.
	PodSecurityBaseline PodSecurityLevel = "Baseline"
)

// LimitRangeItem limits one type of thing in a namespace, as the items of a
// LimitRange do.
//
// +kubebuilder:validation:XValidation:rule="[self.?min.orValue({}), self.?max.orValue({}), self.?default.orValue({}), self.?defaultRequest.orValue({})].all(l, l.all(k, !string(l[k]).matches('[eE][-+]?[0-9]{3}') && isQuantity(string(l[k])) && !quantity(string(l[k])).isLessThan(quantity('0'))))",message="each of min, max, default and defaultRequest must be quantities that are not negative, such as 16Gi or 500m"
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

	// min is the least that one may ask for.
	//
	// +optional
	Min corev1.ResourceList `json:"min,omitempty"`

	// max is the most that one may ask for.
	//
	// +optional
	Max corev1.ResourceList `json:"max,omitempty"`

	// default are the limits of a container that has none.
	//
	// +optional
	Default corev1.ResourceList `json:"default,omitempty"`

	// defaultRequest are the requests of a container that has none.
	//
	// +optional
	DefaultRequest corev1.ResourceList `json:"defaultRequest,omitempty"`
}

// RoleReference names a role.
type RoleReference struct {
	// kind is ClusterRole, or Role for one in the person's namespace.
	//
	// +required
	// +kubebuilder:validation:Enum=ClusterRole;Role
	Kind string `json:"kind,omitempty"`

	// name of the role.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || self.matches('^[^/%]+$') && self != '.' && self != '..'",message="name must be that of a role, without / and %, such as view"
	Name string `json:"name,omitempty"`
}

// Reasons of the Ready condition of a DevServerUser.
const (
	// ReasonProvisioned: the namespace and all in it that the person needs are
	// there.
	ReasonProvisioned = "Provisioned"
	// ReasonUsernameTaken: an older DevServerUser has the same username or the
	// same owner.
	ReasonUsernameTaken = "UsernameTaken"
	// ReasonNamespaceConflict: the namespace dev-USERNAME is there and is not
	// this person's. It is left as it is.
	ReasonNamespaceConflict = "NamespaceConflict"
	// ReasonNamespaceTerminating: the namespace dev-USERNAME is being deleted. It
	// is made again when it is gone.
	ReasonNamespaceTerminating = "NamespaceTerminating"
	// ReasonUserInvalidKey: a public key cannot be decoded. The others count.
	ReasonUserInvalidKey = "InvalidPublicKey"
	// ReasonUserRefused: the API server refused an object that the person
	// needs, such as the binding of a role that the operator may not bind.
	ReasonUserRefused = "ObjectRefused"
	// ReasonUserObjectConflict: an object with a name that is needed is there
	// and belongs to somebody else. It is left as it is.
	ReasonUserObjectConflict = "ForeignObject"
	// ReasonUserQuotaPending: Kubernetes does not count all of spec.quota yet. If
	// it stays so, there is no resource of that name.
	ReasonUserQuotaPending = "QuotaPending"
)

// DevServerUserStatus is what is there.
type DevServerUserStatus struct {
	// conditions is Ready: True once the person can work.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// namespace is the person's namespace, once it is theirs.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// observedGeneration is the metadata.generation that this status is about.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}
