package v1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// DevServerStatus is what is there.
type DevServerStatus struct {
	// conditions are Ready, Accepted, RestartPending, ResizePending, HomeFull,
	// and, where the server stops by itself, Active and StopPending.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// phase sums the conditions up: Pending, Starting, Running, Suspending,
	// Suspended, Expired, Failed or Terminating. Running means that SSH answers,
	// Suspended and Expired that the pod is gone.
	//
	// +optional
	Phase DevServerPhase `json:"phase,omitempty"`

	// flavor is the name of the flavor in use: spec.flavor, or the cluster's
	// default one. While a restart is pending it is the flavor that the pod was
	// started with.
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

	// home is the home directory's volume.
	//
	// +optional
	Home *HomeStatus `json:"home,omitempty"`

	// startedAt is when the pod was last started.
	//
	// +optional
	StartedAt *metav1.Time `json:"startedAt,omitempty"`

	// lifecycle is when the server stops by itself, and when it is deleted: what
	// the DevServer sets, else its flavor, else the cluster, within the flavor's
	// bounds. It is missing until the operator has looked at the DevServer; a field
	// that is missing in it means never.
	//
	// +optional
	Lifecycle *LifecycleStatus `json:"lifecycle,omitempty"`

	// activity says in one sentence whether the server is at work, since when
	// and by what, and when it is suspended. It changes when the answer does;
	// live figures come from the server itself. Empty where the server is not
	// suspended for want of work.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Activity string `json:"activity,omitempty"`

	// lastActivityAt is when the server was last at work, as far as was known
	// when activity changed. While it is at work, the Lease of its name is newer.
	//
	// +optional
	LastActivityAt *metav1.Time `json:"lastActivityAt,omitempty"`

	// suspendsAt is when the server is suspended if nobody works in it until
	// then. None while it is at work.
	//
	// +optional
	SuspendsAt *metav1.Time `json:"suspendsAt,omitempty"`

	// expiresAt is when the server's time to live is over.
	//
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// expired is there once the server was stopped because its time to live was
	// over.
	//
	// +optional
	Expired *ExpiredStatus `json:"expired,omitempty"`

	// suspendedAt is since when the server sleeps.
	//
	// +optional
	SuspendedAt *metav1.Time `json:"suspendedAt,omitempty"`

	// deletesAt is when the sleeping server is deleted, by
	// lifecycle.deleteAfterSuspended.
	//
	// +optional
	DeletesAt *metav1.Time `json:"deletesAt,omitempty"`

	// oomKills counts the processes that were killed since the server's start
	// because it had used all of its memory. The server itself lived on.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	OOMKills int64 `json:"oomKills,omitempty"`

	// lastDisruption is the last time when the server stopped without anybody
	// asking for it.
	//
	// +optional
	LastDisruption *Disruption `json:"lastDisruption,omitempty"`
}

// LifecycleStatus is when a server stops by itself, and when it is deleted.
type LifecycleStatus struct {
	// idleTimeout is how long the server can be idle before it is suspended, such
	// as "2h0m0s".
	//
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	IdleTimeout *metav1.Duration `json:"idleTimeout,omitempty"`

	// timeToLive is how long the server runs after each start before it expires.
	// Keeping the server awake can defer that: status.expiresAt has the time.
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

// ExpiredStatus is how a server came to be expired.
type ExpiredStatus struct {
	// time is when its time to live was over.
	//
	// +optional
	Time *metav1.Time `json:"time,omitempty"`

	// restartedAt was spec.restartedAt then. A later one starts the server.
	//
	// +optional
	RestartedAt *metav1.Time `json:"restartedAt,omitempty"`
}

// Disruption is a stop that nobody asked for.
type Disruption struct {
	// reason is that of the Ready condition: Evicted, OOMKilled, CrashLoop,
	// NodeLost, PodFailed.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Reason string `json:"reason,omitempty"`

	// message is the cause in words.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// time is when it was noticed.
	//
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
}

// HomeStatus is the home directory's volume.
type HomeStatus struct {
	// claimName is the PersistentVolumeClaim with the home directory. None for
	// an ephemeral home.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// capacity is how large the volume is, once it is there.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Capacity string `json:"capacity,omitempty"`
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
	// servers share. A server without an address of its own is reached through
	// the gateway, where the cluster has one:
	// "ssh -J GATEWAY -o HostKeyAlias=NAME.NAMESPACE dev@NAME.NAMESPACE".
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

	// gateway is the one address of all servers of the cluster, left out where
	// there is none: "ssh -J HOST:PORT dev@NAME.NAMESPACE" leads to this server,
	// and wakes it. It is the same for all servers.
	//
	// +optional
	Gateway *SSHGateway `json:"gateway,omitempty"`
}

// SSHGateway is where the gateway is reached, and how it is known.
type SSHGateway struct {
	// host is the name or address to connect to: what the admin has named, or
	// else the load balancer's, a node's for a NodePort, or the name of the
	// gateway's Service inside the cluster.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Host string `json:"host,omitempty"`

	// port to connect to.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// hostKey is the gateway's public host key, "ssh-ed25519 AAAA…". It stays
	// the same when the gateway is installed again. With "[HOST]:PORT" in front
	// of it (HOST alone, where the port is 22), it is a line of
	// ~/.ssh/known_hosts.
	//
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	HostKey string `json:"hostKey,omitempty"`
}
