package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DevServerPhase sums the conditions up in one word.
//
// +kubebuilder:validation:Enum=Pending;Starting;Running;Failed;Terminating
type DevServerPhase string

const (
	// PhasePending: something that the server needs is missing or refused;
	// the Ready condition names it. Nothing was started.
	PhasePending DevServerPhase = "Pending"
	// PhaseStarting: its objects are there and its pod is on the way.
	PhaseStarting DevServerPhase = "Starting"
	// PhaseRunning is a promise: its pod is Ready and its SSH server answers.
	PhaseRunning DevServerPhase = "Running"
	// PhaseFailed: its pod cannot start, or keeps failing; the Ready condition
	// says why. It goes on by itself once the cause is mended.
	PhaseFailed DevServerPhase = "Failed"
	// PhaseTerminating: it is being deleted.
	PhaseTerminating DevServerPhase = "Terminating"
)

// Types of conditions of a DevServer.
const (
	// ConditionReady is True while SSH answers. Else its reason, one of the
	// constants below, and its message name the cause.
	ConditionReady = "Ready"
	// ConditionAccepted is True once all that the DevServer names is there and
	// valid and its objects are applied. While it is False edits do not take
	// effect; a server that runs goes on running.
	ConditionAccepted = "Accepted"
	// ConditionRestartPending is True while the pod runs with settings older
	// than those that its next start will use. Nothing restarts it but its
	// owner: kubectl delete pod NAME-0. (A pod that never ran is replaced at
	// once: a wrong image is mended by naming the right one.)
	ConditionRestartPending = "RestartPending"
)

// Reasons of the Ready condition.
const (
	// ReasonAnswering: the pod is Ready, which means that SSH answers.
	ReasonAnswering = "SSHAnswering"
	// ReasonStarting: the pod is on the way and nothing hinders it.
	ReasonStarting = "Starting"
	// ReasonTerminating: the DevServer is being deleted.
	ReasonTerminating = "Terminating"

	// The reasons from here to ReasonRefused are those of the Accepted condition
	// too.

	// ReasonFlavorNotFound: spec.flavor names no DevServerFlavor, or it is left
	// out and no flavor is the default.
	ReasonFlavorNotFound = "FlavorNotFound"
	// ReasonClaimNotFound: spec.sharedVolumeClaimName names no
	// PersistentVolumeClaim of this namespace.
	ReasonClaimNotFound = "ClaimNotFound"
	// ReasonInvalidKey: a public key cannot be decoded.
	ReasonInvalidKey = "InvalidKey"
	// ReasonHomeConflict: the PersistentVolumeClaim home-NAME-0 is there and
	// belongs to somebody else.
	ReasonHomeConflict = "HomeConflict"
	// ReasonObjectConflict: an object with a name that the server needs is
	// there and belongs to somebody else. It is left as it is.
	ReasonObjectConflict = "ObjectConflict"
	// ReasonRefused: the API server refused an object that the server needs.
	ReasonRefused = "Refused"

	// ReasonUnschedulable: no node can take the pod; the message has the
	// scheduler's own words.
	ReasonUnschedulable = "Unschedulable"
	// ReasonPodNotCreated: the StatefulSet has no pod yet; where the API server
	// refuses it (a quota, a Pod Security level), its events say so.
	ReasonPodNotCreated = "PodNotCreated"
	// ReasonImagePullFailed: the node cannot fetch an image.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonContainerConfigError: the node cannot set the container up.
	ReasonContainerConfigError = "ContainerConfigError"
	// ReasonPrepareFailed: the step that prepares the home directory failed.
	ReasonPrepareFailed = "PrepareFailed"
	// ReasonCrashLoop: the server's main process ended and is started again.
	ReasonCrashLoop = "CrashLoop"
	// ReasonPodFailed: the pod ended, for example by eviction.
	ReasonPodFailed = "PodFailed"
	// ReasonNotAnswering: the pod was Ready and its SSH server stopped
	// answering.
	ReasonNotAnswering = "SSHNotAnswering"
)

// ReasonApplied is the reason of the Accepted condition while it is True.
const ReasonApplied = "Applied"

// Reasons of the RestartPending condition.
const (
	// ReasonUpToDate: the pod runs with the current settings, or there is none.
	ReasonUpToDate = "UpToDate"
	// ReasonSettingsChanged: the DevServer, its flavor or the operator changed
	// since the pod started.
	ReasonSettingsChanged = "SettingsChanged"
)

// DevServerStatus is what is there.
type DevServerStatus struct {
	// conditions are Ready, Accepted and RestartPending.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// phase sums the conditions up: Pending, Starting, Running, Failed or
	// Terminating. Running means that SSH answers.
	//
	// +optional
	Phase DevServerPhase `json:"phase,omitempty"`

	// flavor is the name of the flavor in use: spec.flavor, or the cluster's
	// default one.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Flavor string `json:"flavor,omitempty"`

	// ssh is how to log in.
	//
	// +optional
	SSH *SSHStatus `json:"ssh,omitempty"`

	// observedGeneration is the metadata.generation that this status is about.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// podName is the name of the pod, NAME-0.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PodName string `json:"podName,omitempty"`

	// podIP is the pod's address inside the cluster while the server runs.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=45
	PodIP string `json:"podIP,omitempty"`

	// nodeName is the node on which the server runs, or ran last.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// startedAt is when the pod was last started.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`
}

// SSHStatus is how to log in.
type SSHStatus struct {
	// host is the name or address to connect to: the node's for a NodePort, the
	// load balancer's, or the Service's name inside the cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`

	// port to connect to. A NodePort stays the same even when the Service is
	// made again.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// command is the line to type, with HostKeyAlias=NAME.NAMESPACE, so that
	// the host key is known by the server's name and not by an address that
	// servers share.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Command string `json:"command,omitempty"`

	// hostKey is the server's public host key, "ssh-ed25519 AAAA…". It stays
	// the same for a namespace, name and owner, also when the DevServer is
	// deleted and created again. With the alias in front of it, it is a line of
	// ~/.ssh/known_hosts.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	HostKey string `json:"hostKey,omitempty"`
}
