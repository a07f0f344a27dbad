package v1

// DevServerPhase sums the conditions up in one word.
//
// +kubebuilder:validation:Enum=Pending;Starting;Running;Suspending;Suspended;Expired;Failed;Terminating
type DevServerPhase string

const (
	// PhasePending: something that the server needs is missing or refused;
	// the Ready condition names it. Nothing was started.
	PhasePending DevServerPhase = "Pending"
	// PhaseStarting: its objects are there and its pod is on the way.
	PhaseStarting DevServerPhase = "Starting"
	// PhaseRunning is a promise: its pod is Ready and its SSH server answers.
	PhaseRunning DevServerPhase = "Running"
	// PhaseSuspending: it is being stopped; its processes have a moment to end.
	PhaseSuspending DevServerPhase = "Suspending"
	// PhaseSuspended: it sleeps. Its pod is gone, and its resources are free; its
	// home directory is kept. The Ready condition says why, and what wakes it.
	PhaseSuspended DevServerPhase = "Suspended"
	// PhaseExpired: its time to live is over and its pod is gone; its home
	// directory is kept. Its owner starts it again, by spec.restartedAt.
	PhaseExpired DevServerPhase = "Expired"
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
	// than those that its next start will use, because its flavor or the
	// operator changed. Nothing restarts it but its owner: spec.restartedAt, or
	// kubectl delete pod NAME-0. (An edit of the DevServer itself restarts it at
	// once, and a pod that never ran is replaced at once.)
	ConditionRestartPending = "RestartPending"
	// ConditionResizePending is True while the volume of the home directory is
	// smaller than spec.persistentHomeSize; its message says what it waits for.
	ConditionResizePending = "ResizePending"
	// ConditionHomeFull is True while the home directory is as good as full:
	// less than a twentieth of it, or 512Mi of a large one, is free. Programs
	// that cannot write fail in odd ways.
	ConditionHomeFull = "HomeFull"
	// ConditionActive is there where the server is suspended for want of work,
	// by lifecycle.idleTimeout or a schedule. True while it is at work, False
	// since it is not; Unknown, which counts as at work, while its agent does
	// not answer. Its message is that of status.activity.
	ConditionActive = "Active"
	// ConditionStopPending is True from fifteen minutes before the server stops
	// by itself; for times so short that this would be half of them, later.
	ConditionStopPending = "StopPending"
)

// Reasons of the Ready condition.
const (
	// ReasonAnswering: the pod is Ready, which means that SSH answers.
	ReasonAnswering = "SSHAnswering"
	// ReasonStarting: the pod is on the way and nothing hinders it.
	ReasonStarting = "Starting"
	// ReasonTerminating: the DevServer is being deleted.
	ReasonTerminating = "Terminating"
	// ReasonSuspended: spec.suspend asks for it.
	ReasonSuspended = "Suspended"
	// ReasonIdle: the server was without work for its idle timeout. devctl start
	// wakes it, which renews its Lease.
	ReasonIdle = "Idle"
	// ReasonScheduled: the server was without work after the stop of its
	// schedule. It wakes like an idle one, or at the schedule's start.
	ReasonScheduled = "Scheduled"
	// ReasonExpired: the time to live is over. spec.restartedAt starts it again.
	ReasonExpired = "Expired"

	// The reasons from here to ReasonRefused are those of the Accepted condition
	// too.

	// ReasonFlavorNotFound: spec.flavor names no DevServerFlavor, or it is left
	// out and no flavor is the default.
	ReasonFlavorNotFound = "FlavorNotFound"
	// ReasonClaimNotFound: a PersistentVolumeClaim that the server names is not
	// in this namespace.
	ReasonClaimNotFound = "ClaimNotFound"
	// ReasonClaimNotBound: a PersistentVolumeClaim that the server names has no
	// volume, or lost it.
	ReasonClaimNotBound = "ClaimNotBound"
	// ReasonClaimInUse: the claim of the home directory is mounted by another
	// pod, and only one at a time may do that.
	ReasonClaimInUse = "ClaimInUse"
	// ReasonVolumeConflict: two volumes have the same mount path, or one has
	// that of a folder that the server itself needs.
	ReasonVolumeConflict = "VolumeConflict"
	// ReasonImageNotAllowed: the flavor does not allow spec.image.
	ReasonImageNotAllowed = "ImageNotAllowed"
	// ReasonHomeSizeNotAllowed: spec.persistentHomeSize is beyond the flavor's
	// bounds.
	ReasonHomeSizeNotAllowed = "HomeSizeNotAllowed"
	// ReasonLifecycleNotAllowed: spec.lifecycle is beyond the flavor's bounds.
	ReasonLifecycleNotAllowed = "LifecycleNotAllowed"
	// ReasonInvalidSchedule: spec.lifecycle.schedule has a time or a time zone
	// that does not exist.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonInvalidFlavor: the flavor's podTemplate cannot be merged, or its
	// schedule read.
	ReasonInvalidFlavor = "InvalidFlavor"
	// ReasonInvalidKey: a public key cannot be decoded.
	ReasonInvalidKey = "InvalidKey"
	// ReasonHomeConflict: the PersistentVolumeClaim home-NAME-0 is there and
	// belongs to somebody else.
	ReasonHomeConflict = "HomeConflict"
	// ReasonObjectConflict: an object with a name that the server needs is
	// there and belongs to somebody else. It is left as it is.
	ReasonObjectConflict = "ObjectConflict"
	// ReasonNodePortsExhausted: every port of the cluster's NodePort range is
	// taken.
	ReasonNodePortsExhausted = "NodePortsExhausted"
	// ReasonRefused: the API server refused an object that the server needs.
	ReasonRefused = "Refused"

	// ReasonUnschedulable: no node can take the pod; the message has the
	// scheduler's own words.
	ReasonUnschedulable = "Unschedulable"
	// ReasonRestarting: the pod is being replaced, because the DevServer was
	// edited.
	ReasonRestarting = "Restarting"
	// ReasonQuotaExceeded: the namespace's ResourceQuota has no room for the pod
	// or the home directory; the message says what is asked, used and allowed.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonAdmissionRefused: the API server refuses the pod or the home's
	// claim for another reason than a quota: a Pod Security level, a LimitRange,
	// an admission policy or a webhook.
	ReasonAdmissionRefused = "AdmissionRefused"
	// ReasonPodNotCreated: the StatefulSet has no pod, and nothing says why.
	ReasonPodNotCreated = "PodNotCreated"
	// ReasonImagePullFailed: the node cannot fetch an image.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonVolumeNotIdmappable: the flavor gives root in a user namespace, and
	// a volume is on a file system that cannot be mounted in one, such as NFS.
	ReasonVolumeNotIdmappable = "VolumeNotIdmappable"
	// ReasonContainerConfigError: the node cannot set the pod or its container
	// up.
	ReasonContainerConfigError = "ContainerConfigError"
	// ReasonPrepareFailed: the step that prepares the home directory failed.
	ReasonPrepareFailed = "PrepareFailed"
	// ReasonCrashLoop: the server's main process ended and is started again.
	ReasonCrashLoop = "CrashLoop"
	// ReasonOOMKilled: the server ran out of memory as a whole, and is started
	// again.
	ReasonOOMKilled = "OOMKilled"
	// ReasonEvicted: the node put the pod out, because it ran out of memory or
	// disk, or was drained. Another pod is on its way.
	ReasonEvicted = "Evicted"
	// ReasonNodeLost: the node of the pod does not answer. The server comes back
	// on another node once this one is deleted or tainted
	// node.kubernetes.io/out-of-service: before that, nobody can know whether
	// its home directory is still being written to.
	ReasonNodeLost = "NodeLost"
	// ReasonVolumeFailed: a volume cannot be provisioned, attached or mounted.
	ReasonVolumeFailed = "VolumeFailed"
	// ReasonPodFailed: the pod ended for another reason.
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

// Reasons of the ResizePending condition.
const (
	// ReasonSizeAsRequested: the volume has the size asked for, or more.
	ReasonSizeAsRequested = "SizeAsRequested"
	// ReasonResizing: the storage is making the volume larger.
	ReasonResizing = "Resizing"
	// ReasonFileSystemResizePending: the volume is larger, and its file system
	// is about to grow; where the storage cannot do that in use, at the server's
	// next start.
	ReasonFileSystemResizePending = "FileSystemResizePending"
	// ReasonNotExpandable: its StorageClass does not allow a volume to grow.
	ReasonNotExpandable = "NotExpandable"
	// ReasonResizeFailed: the storage failed to make it larger, or a quota does
	// not allow it.
	ReasonResizeFailed = "ResizeFailed"
)

// Reasons of the HomeFull condition.
const (
	// ReasonHomeHasSpace: there is room in the home directory.
	ReasonHomeHasSpace = "HasSpace"
	// ReasonHomeFull: there is none.
	ReasonHomeFull = "HomeFull"
)

// Reasons of the Active condition; also ReasonIdle, and ReasonObjectConflict
// where a Lease of somebody else has the server's name.
const (
	// ReasonActive: the server did work in the last minutes.
	ReasonActive = "Active"
	// ReasonKeptAwake: its Lease, or a process in it, asks to keep it.
	ReasonKeptAwake = "KeptAwake"
	// ReasonAgentOutdated: the agent in the server is older than the operator and
	// cannot tell whether it is at work. A restart brings a new one.
	ReasonAgentOutdated = "AgentOutdated"
	// ReasonAgentUnreachable: the agent in the server does not answer, so nobody
	// knows whether it is at work.
	ReasonAgentUnreachable = "AgentUnreachable"
)

// Reasons of the StopPending condition.
const (
	// ReasonNoStop: no stop is near.
	ReasonNoStop = "NoStop"
	// ReasonStopSoon: the server stops in fifteen minutes.
	ReasonStopSoon = "StopSoon"
	// ReasonStopImminent: the server stops in five minutes, or, where it stops
	// after less than ten, in half of them.
	ReasonStopImminent = "StopImminent"
)
