package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DevServerStatus is the observed state of a DevServer.
type DevServerStatus struct {
	// conditions are Ready, Accepted, RestartPending, ResizePending and
	// HomeFull. A server that can stop automatically also has Active or
	// StopPending, or both. AgentUpdatePending exists once an update of the
	// server's agent has been pending.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// phase summarizes the conditions in one word: Pending, Starting, Running,
	// Suspending, Suspended, Expired, Failed or Terminating. Running means that
	// the SSH server completed a handshake. Suspended and Expired mean that the
	// server has no pod.
	//
	// +optional
	Phase DevServerPhase `json:"phase,omitempty"`

	// flavor is the name of the flavor in use: spec.flavor, or the cluster's
	// default flavor. While RestartPending is True, it is the flavor that the
	// pod was started with.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Flavor string `json:"flavor,omitempty"`

	// ssh is how to log in.
	//
	// +optional
	SSH *SSHStatus `json:"ssh,omitempty"`

	// observedGeneration is the metadata.generation that this status describes.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// podName is the name of the pod, NAME-0.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	PodName string `json:"podName,omitempty"`

	// podIP is the pod's address inside the cluster. Empty unless the server is
	// running.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=45
	PodIP string `json:"podIP,omitempty"`

	// nodeName is the name of the node that the server runs on, or last ran on.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	NodeName string `json:"nodeName,omitempty"`

	// home is the volume with the home directory.
	//
	// +optional
	Home *HomeStatus `json:"home,omitempty"`

	// startedAt is when the pod last started.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// lifecycle has the settings that apply to the server: when it stops
	// automatically, and when it is deleted. Each is the DevServer's, else its
	// flavor's, else the cluster's, within the flavor's bounds. Empty until the
	// operator has processed the DevServer. An empty field in it means never.
	//
	// +optional
	Lifecycle *LifecycleStatus `json:"lifecycle,omitempty"`

	// activity is one sentence that says whether the server is active or idle,
	// since when and why, and when it will be suspended. The operator updates
	// it when one of these changes; `devctl why NAME` shows current figures.
	// Empty if neither an idle timeout nor a schedule applies.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Activity string `json:"activity,omitempty"`

	// lastActivityAt is the time of the last activity that was known when the
	// field activity last changed. While the server is active, the renewTime of
	// its Lease is more recent.
	//
	// +optional
	LastActivityAt *metav1.Time `json:"lastActivityAt,omitempty"`

	// suspendsAt is when the server will be suspended if it stays idle. Empty
	// while it is active.
	//
	// +optional
	SuspendsAt *metav1.Time `json:"suspendsAt,omitempty"`

	// expiresAt is when the server's time to live ends.
	//
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// expired records that the server was stopped because its time to live
	// ended. Empty otherwise.
	//
	// +optional
	Expired *ExpiredStatus `json:"expired,omitempty"`

	// suspendedAt is when the server was suspended or expired. Empty while it
	// is neither.
	//
	// +optional
	SuspendedAt *metav1.Time `json:"suspendedAt,omitempty"`

	// deletesAt is when the suspended or expired DevServer will be deleted
	// because of lifecycle.deleteAfterSuspended.
	//
	// +optional
	DeletesAt *metav1.Time `json:"deletesAt,omitempty"`

	// oomKills is the number of processes that were killed since the server
	// started because the server had used all of its memory. The server itself
	// kept running.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	OOMKills int64 `json:"oomKills,omitempty"`

	// agentVersion is the version of the agent, which is the SSH server. A
	// running server has the operator's version unless AgentUpdatePending or
	// RestartPending is True. A stopped server keeps the version that it last
	// ran with. Empty until the agent has reported it.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AgentVersion string `json:"agentVersion,omitempty"`

	// lastDisruption is the most recent stop that no user requested, for
	// example an eviction.
	//
	// +optional
	LastDisruption *Disruption `json:"lastDisruption,omitempty"`
}

// LifecycleStatus is when a server stops automatically, and when it is deleted.
type LifecycleStatus struct {
	// idleTimeout is how long the server can be idle before it is suspended, such
	// as "2h0m0s".
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// timeToLive is how long the server runs after each start before it
	// expires. Keeping the server awake can defer the expiry: status.expiresAt
	// has the time.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	TimeToLive *metav1.Duration `json:"timeToLive,omitempty"`

	// onExpire is what happens at the end of timeToLive: Suspend stops the server
	// until its owner starts it again, Delete deletes the DevServer.
	//
	// +optional
	OnExpire ExpireAction `json:"onExpire,omitempty"`

	// deleteAfterSuspended is how long the server can be suspended or expired
	// before the DevServer is deleted.
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	DeleteAfterSuspended *metav1.Duration `json:"deleteAfterSuspended,omitempty"`

	// schedule starts and stops the server at times of the day.
	//
	// +optional
	Schedule *Schedule `json:"schedule,omitempty"`
}

// ExpiredStatus records that a server was stopped because its time to live
// ended.
type ExpiredStatus struct {
	// time is when the time to live ended.
	//
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// restartedAt is the value that spec.restartedAt had at that time. A later
	// value starts the server.
	//
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`
}

// Disruption is a stop that no user requested.
type Disruption struct {
	// reason is the reason that the Ready condition had: Evicted, OOMKilled,
	// CrashLoop, NodeLost or PodFailed.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message describes the cause.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// time is when the operator noticed it.
	//
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// HomeStatus is the volume with the home directory.
type HomeStatus struct {
	// claimName is the name of the PersistentVolumeClaim with the home
	// directory. Empty for an ephemeral home.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// capacity is the current size of the volume, for example "100Gi". Empty
	// until the volume exists.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Capacity string `json:"capacity,omitempty"`
}

// SSHStatus is how to log in.
type SSHStatus struct {
	// host is the name or address to connect to: that of the node for a
	// NodePort, that of the load balancer, or the name of the Service inside
	// the cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`

	// port is the TCP port to connect to. A NodePort stays the same even if the
	// Service is deleted and created again.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// command is the command that logs in. It sets HostKeyAlias=NAME.NAMESPACE
	// so that ssh stores the host key under the name of the server and not
	// under an address that several servers share. If the server has no address
	// of its own, the command goes through the gateway: "ssh -J GATEWAY -o
	// HostKeyAlias=NAME.NAMESPACE dev@NAME.NAMESPACE".
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Command string `json:"command,omitempty"`

	// hostKey is the server's public host key, "ssh-ed25519 AAAA…". It depends
	// only on namespace, name and owner, so it stays the same if the DevServer
	// is deleted and created again. Prefixed with "NAME.NAMESPACE ", it is a
	// line for ~/.ssh/known_hosts.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	HostKey string `json:"hostKey,omitempty"`

	// gateway is the address of the SSH gateway, which is the same for all
	// servers. "ssh -J HOST:PORT dev@NAME.NAMESPACE" connects to this server
	// and wakes it if it was suspended by its idle timeout or schedule. Empty
	// if the cluster has no gateway.
	//
	// +optional
	Gateway *SSHGateway `json:"gateway,omitempty"`
}

// SSHGateway is the address and the host key of the gateway.
type SSHGateway struct {
	// host is the name or address to connect to: the one that the admin
	// configured, else that of the load balancer, of a node for a NodePort, or
	// the name of the gateway's Service inside the cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`

	// port is the TCP port to connect to.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// hostKey is the gateway's public host key, "ssh-ed25519 AAAA…". It stays
	// the same if the gateway is installed again. Prefixed with "[HOST]:PORT ",
	// or "HOST " if the port is 22, it is a line for ~/.ssh/known_hosts.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	HostKey string `json:"hostKey,omitempty"`
}
