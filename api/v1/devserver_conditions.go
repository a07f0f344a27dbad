package v1

// DevServerPhase summarizes the conditions of a DevServer in one word.
//
// +kubebuilder:validation:Enum=Pending;Starting;Running;Suspending;Suspended;Expired;Failed;Terminating
type DevServerPhase string

const (
	// PhasePending: something that the server requires is missing or was
	// refused. The Ready condition names it. No pod was started.
	PhasePending DevServerPhase = "Pending"
	// PhaseStarting: the objects of the server exist and its pod is starting.
	PhaseStarting DevServerPhase = "Starting"
	// PhaseRunning: the pod is Ready, which means that its SSH server completed
	// a handshake.
	PhaseRunning DevServerPhase = "Running"
	// PhaseSuspending: the server is being stopped. Its processes received
	// SIGTERM.
	PhaseSuspending DevServerPhase = "Suspending"
	// PhaseSuspended: the server has no pod, and its resources are free. Its
	// home directory is kept. The Ready condition says why it was suspended and
	// how to start it.
	PhaseSuspended DevServerPhase = "Suspended"
	// PhaseExpired: the time to live ended and the server has no pod. Its home
	// directory is kept. A later spec.restartedAt starts the server again.
	PhaseExpired DevServerPhase = "Expired"
	// PhaseFailed: the pod cannot start, or fails repeatedly. The Ready
	// condition says why. The server recovers when the cause is removed.
	PhaseFailed DevServerPhase = "Failed"
	// PhaseTerminating: the DevServer is being deleted.
	PhaseTerminating DevServerPhase = "Terminating"
)

// Condition types of a DevServer.
const (
	// ConditionReady is True while the SSH server answers. Otherwise its reason
	// is one of those below, and its message describes the cause.
	ConditionReady = "Ready"
	// ConditionAccepted is True if everything that the DevServer names exists
	// and is valid, and the objects of the server are applied. While it is
	// False, edits have no effect and a running server keeps running.
	ConditionAccepted = "Accepted"
	// ConditionRestartPending is True while the pod runs with older settings
	// than its next start will use, because its flavor was edited, or because
	// a new version of the operator changed more than the agent's image. Only
	// its owner restarts it, with spec.restartedAt (devctl restart NAME). An
	// edit of the DevServer itself restarts the server at once, and a pod that
	// never ran is replaced at once.
	ConditionRestartPending = "RestartPending"
	// ConditionAgentUpdatePending is True while a running server has another
	// version of the SSH server than the operator, and the update waits, is
	// under way or has failed. An update restarts no other process of the
	// server. The condition is absent until the first update is pending.
	ConditionAgentUpdatePending = "AgentUpdatePending"
	// ConditionResizePending is True while the home volume is smaller than
	// spec.persistentHomeSize. Its message says what the resize is waiting for.
	ConditionResizePending = "ResizePending"
	// ConditionHomeFull is True while the home directory is nearly full: less
	// than 5% of it is free or, for a large one, less than 512Mi. Programs that
	// cannot write to it can fail in confusing ways.
	ConditionHomeFull = "HomeFull"
	// ConditionActive exists if an idle timeout or a schedule applies to the
	// server. It is True while the server is active and False while it is idle.
	// It is Unknown, which counts as active, while the agent does not answer.
	// Its message is the text of status.activity.
	ConditionActive = "Active"
	// ConditionStopPending is True during the last fifteen minutes before the
	// server stops automatically. If the whole timeout is shorter than thirty
	// minutes, it is True during the last half of it.
	ConditionStopPending = "StopPending"
)

// Reasons of the Ready condition.
const (
	// ReasonAnswering: the pod is Ready, which means that SSH answers.
	ReasonAnswering = "SSHAnswering"
	// ReasonStarting: the pod is starting and no problem is known.
	ReasonStarting = "Starting"
	// ReasonTerminating: the DevServer is being deleted.
	ReasonTerminating = "Terminating"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
	// ReasonIdle: the server was idle for its idle timeout. A connection
	// through the gateway wakes it, and devctl start starts it. Both renew its
	// Lease.
	ReasonIdle = "Idle"
	// ReasonScheduled: the server was idle after the stop time of its schedule.
	// It resumes in the same ways as for Idle, or at the start time of the
	// schedule.
	ReasonScheduled = "Scheduled"
	// ReasonExpired: the time to live ended. A later spec.restartedAt starts
	// the server.
	ReasonExpired = "Expired"

	// The reasons from here to ReasonRefused are also reasons of the Accepted
	// condition.

	// ReasonFlavorNotFound: the DevServerFlavor that spec.flavor names does not
	// exist, or spec.flavor is empty and the cluster has no default flavor.
	ReasonFlavorNotFound = "FlavorNotFound"
	// ReasonClaimNotFound: a PersistentVolumeClaim that the DevServer names
	// does not exist in its namespace.
	ReasonClaimNotFound = "ClaimNotFound"
	// ReasonClaimNotBound: a PersistentVolumeClaim that the DevServer names has
	// no volume, or lost it.
	ReasonClaimNotBound = "ClaimNotBound"
	// ReasonClaimInUse: another pod uses the claim of the home directory, which
	// only one pod can use at a time.
	ReasonClaimInUse = "ClaimInUse"
	// ReasonVolumeConflict: two volumes have the same mount path, or one has a
	// mount path that the server itself uses.
	ReasonVolumeConflict = "VolumeConflict"
	// ReasonImageNotAllowed: the flavor does not allow spec.image.
	ReasonImageNotAllowed = "ImageNotAllowed"
	// ReasonServiceNotAllowed: the cluster does not allow the type or an
	// annotation in spec.ssh.service.
	ReasonServiceNotAllowed = "ServiceNotAllowed"
	// ReasonHomeSizeNotAllowed: spec.persistentHomeSize is outside the flavor's
	// bounds.
	ReasonHomeSizeNotAllowed = "HomeSizeNotAllowed"
	// ReasonLifecycleNotAllowed: spec.lifecycle is outside the flavor's bounds.
	ReasonLifecycleNotAllowed = "LifecycleNotAllowed"
	// ReasonInvalidSchedule: spec.lifecycle.schedule has an invalid cron
	// expression or time zone.
	ReasonInvalidSchedule = "InvalidSchedule"
	// ReasonInvalidFlavor: the flavor's podTemplate cannot be merged, or its
	// schedule is invalid.
	ReasonInvalidFlavor = "InvalidFlavor"
	// ReasonInvalidKey: a public key cannot be decoded.
	ReasonInvalidKey = "InvalidKey"
	// ReasonHomeConflict: the PersistentVolumeClaim home-NAME-0 exists and
	// belongs to another owner.
	ReasonHomeConflict = "HomeConflict"
	// ReasonObjectConflict: an object with a name that the server requires
	// exists and does not belong to this DevServer. The operator does not
	// change it.
	ReasonObjectConflict = "ObjectConflict"
	// ReasonNodePortsExhausted: every port in the cluster's NodePort range is
	// in use.
	ReasonNodePortsExhausted = "NodePortsExhausted"
	// ReasonRefused: the API server refused an object that the server requires.
	ReasonRefused = "Refused"

	// ReasonUnschedulable: no node can run the pod. The message contains the
	// scheduler's message.
	ReasonUnschedulable = "Unschedulable"
	// ReasonRestarting: the pod is being replaced because the DevServer was
	// edited.
	ReasonRestarting = "Restarting"
	// ReasonQuotaExceeded: the pod or the home volume would exceed a
	// ResourceQuota of the namespace. The message has the requested, used and
	// allowed amounts.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonAdmissionRefused: the API server refused the pod or the claim of
	// the home directory for a reason other than a quota: a Pod Security level,
	// a LimitRange, an admission policy or a webhook.
	ReasonAdmissionRefused = "AdmissionRefused"
	// ReasonPodNotCreated: the StatefulSet has no pod, and the cause is
	// unknown.
	ReasonPodNotCreated = "PodNotCreated"
	// ReasonImagePullFailed: the node cannot pull an image.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonVolumeNotIdmappable: the flavor grants root in a user namespace,
	// and a volume has a file system that does not support ID-mapped mounts,
	// such as NFS.
	ReasonVolumeNotIdmappable = "VolumeNotIdmappable"
	// ReasonContainerConfigError: the node cannot set up the pod or one of its
	// containers, or cannot pull the image of the container ssh or of one that
	// the flavor or a webhook added.
	ReasonContainerConfigError = "ContainerConfigError"
	// ReasonContainerNotReady: a container that the flavor or a webhook added
	// to the pod, such as the proxy of a service mesh, is not ready. The
	// message names it.
	ReasonContainerNotReady = "ContainerNotReady"
	// ReasonPrepareFailed: the init container that prepares the home directory
	// failed.
	ReasonPrepareFailed = "PrepareFailed"
	// ReasonCrashLoop: the main process of the server ended, and all others
	// with it. Its container is being restarted. The SSH server keeps running.
	ReasonCrashLoop = "CrashLoop"
	// ReasonOOMKilled: all processes of the server were killed because it ran
	// out of memory. Its container is being restarted. The SSH server keeps
	// running.
	ReasonOOMKilled = "OOMKilled"
	// ReasonEvicted: the pod was evicted because its node ran out of memory or
	// disk space, or was drained. The operator creates another pod.
	ReasonEvicted = "Evicted"
	// ReasonNodeLost: the node of the pod does not answer. The server starts on
	// another node when this node is deleted or tainted with
	// node.kubernetes.io/out-of-service. Until then the lost node might still
	// write to the home directory.
	ReasonNodeLost = "NodeLost"
	// ReasonVolumeFailed: a volume cannot be provisioned, attached or mounted.
	ReasonVolumeFailed = "VolumeFailed"
	// ReasonPodFailed: the pod ended for another reason.
	ReasonPodFailed = "PodFailed"
	// ReasonNotAnswering: the SSH server ended and is being restarted, or the
	// pod was Ready, and then its SSH server stopped answering.
	ReasonNotAnswering = "SSHNotAnswering"
)

// ReasonApplied is the reason of the Accepted condition while it is True.
const ReasonApplied = "Applied"

// Reasons of the RestartPending condition.
const (
	// ReasonUpToDate: the pod runs with the current settings, or the server has
	// no pod.
	ReasonUpToDate = "UpToDate"
	// ReasonSettingsChanged: the DevServer, its flavor or the operator changed
	// since the pod started.
	ReasonSettingsChanged = "SettingsChanged"
)

// Reasons of the AgentUpdatePending condition.
const (
	// The condition also uses ReasonUpToDate.

	// ReasonWaitingForSessions: the update waits until no SSH session is open, or
	// for its deadline.
	ReasonWaitingForSessions = "WaitingForSessions"
	// ReasonWaitingForServer: the update waits because the server is not ready, or
	// is about to be stopped.
	ReasonWaitingForServer = "WaitingForServer"
	// ReasonWaitingForNode: another server on the same node is updated first.
	ReasonWaitingForNode = "WaitingForNode"
	// ReasonPullingImage: the node is pulling the image of the new version.
	ReasonPullingImage = "PullingImage"
	// ReasonUpdatingAgent: the new version is starting, or will start within a
	// minute, after a warning on open terminals.
	ReasonUpdatingAgent = "UpdatingAgent"
	// ReasonAgentUpdateFailed: the node cannot pull or start the new version, and
	// tries again, or the new version did not answer in this server or in another
	// one on its node, and is not tried again. The server has the previous version.
	ReasonAgentUpdateFailed = "AgentUpdateFailed"
	// ReasonAgentUpdated is the reason of the event that an agent was updated.
	ReasonAgentUpdated = "AgentUpdated"
)

// Reasons of the ResizePending condition.
const (
	// ReasonSizeAsRequested: the volume has the requested size, or is larger.
	ReasonSizeAsRequested = "SizeAsRequested"
	// ReasonResizing: the storage is growing the volume.
	ReasonResizing = "Resizing"
	// ReasonFileSystemResizePending: the volume has grown, and its file system
	// will grow next. If the storage cannot do that while the volume is in use,
	// it grows at the next start of the server.
	ReasonFileSystemResizePending = "FileSystemResizePending"
	// ReasonNotExpandable: the StorageClass does not allow volumes to grow.
	ReasonNotExpandable = "NotExpandable"
	// ReasonResizeFailed: the storage failed to grow the volume, or a quota
	// does not allow it.
	ReasonResizeFailed = "ResizeFailed"
)

// Reasons of the HomeFull condition.
const (
	// ReasonHomeHasSpace: the home directory has free space.
	ReasonHomeHasSpace = "HasSpace"
	// ReasonHomeFull: the home directory is nearly full.
	ReasonHomeFull = "HomeFull"
)

// Reasons of the Active condition.
const (
	// The condition also uses ReasonIdle and, if a Lease with the server's name belongs
	// to another object, ReasonObjectConflict.

	// ReasonActive: the server was active within the last minutes.
	ReasonActive = "Active"
	// ReasonKeptAwake: its Lease, or a process in the server, keeps it awake.
	ReasonKeptAwake = "KeptAwake"
	// ReasonAgentOutdated: the agent in the server is older than the operator
	// and cannot report its activity. A restart of the server updates the
	// agent. If AgentUpdatePending is True, the operator updates it without a
	// restart.
	ReasonAgentOutdated = "AgentOutdated"
	// ReasonAgentUnreachable: the agent in the server does not answer, so its
	// activity is unknown.
	ReasonAgentUnreachable = "AgentUnreachable"
)

// Reasons of the StopPending condition.
const (
	// ReasonNoStop: the server does not stop soon.
	ReasonNoStop = "NoStop"
	// ReasonStopSoon: the server stops in fifteen minutes or less.
	ReasonStopSoon = "StopSoon"
	// ReasonStopImminent: the server stops in five minutes or less. If the
	// whole timeout is shorter than ten minutes, it stops within half of the
	// timeout.
	ReasonStopImminent = "StopImminent"
)
