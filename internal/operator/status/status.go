// Package status computes a DevServer's status from what was observed. It is
// pure: the same observation gives the same status, and the same cause gives
// the same message.
package status

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/policy"
)

// Observed is what the cluster has for a DevServer. An object that does not exist
// is nil.
type Observed struct {
	// Problem is why the objects are not as desired: what the resolve step found
	// missing or wrong, or an object that could not be applied.
	Problem *Problem
	// Flavor is the name of the flavor that the next start would use, and Root
	// whether that grants root.
	Flavor string
	Root   bool
	// Applied is set if all objects are as desired: the StatefulSet's template is
	// that of the flavor.
	Applied bool
	// HostKey is the public host key, "ssh-ed25519 AAAA…".
	HostKey string

	// Gateway is where the cluster's gateway is reached, nil if there is none. Until
	// GatewayKnown is set, the status keeps what it has. With GatewayOnly, servers
	// accept connections from nothing else.
	Gateway      *devv1.SSHGateway
	GatewayKnown bool
	GatewayOnly  bool

	StatefulSet *appsv1.StatefulSet
	SSHService  *corev1.Service
	Pod         *corev1.Pod
	// PodRefused is the message with which the API server refused the pod.
	PodRefused string
	// VolumeFailure is the message of the event that says why a volume of the pod is
	// not provisioned or not mounted, or why the pod has no sandbox.
	VolumeFailure string
	// NodeAddress is the address of the pod's node, and so of a NodePort.
	NodeAddress string
	// NodeLost is set while the pod's node does not answer, NodeGone if it was
	// deleted.
	NodeLost, NodeGone bool
	// Disrupted is the pod before this one, or the last one if there is none, if it
	// was evicted and no status has reported that.
	Disrupted *corev1.Pod
	// Home is the claim of the home directory.
	Home *corev1.PersistentVolumeClaim
	// HomeRefused is why the API server does not let the claim grow.
	HomeRefused *Problem
	// Policy is when the server stops by itself; nil if that is not known, so that
	// the status keeps what it has.
	Policy *policy.Policy
	// Lifecycle is what was decided about the server; nil for a server that runs.
	Lifecycle *lifecycle.Decision
	// Report is what the agent reported last; nil while it was not asked.
	Report *agentapi.Report
	// Agent is what was decided about an update of the agent; nil if that is not known,
	// so that the status keeps what it has.
	Agent *agentupdate.Decision
}

// Problem is a cause that a user or admin can act on.
type Problem struct {
	// Reason is one of the reasons of the condition that it ends up in.
	Reason  string
	Message string
}

// Compute returns the status of d, given what was observed at now.
func Compute(d *devv1.DevServer, o Observed, now time.Time) devv1.DevServerStatus {
	s := *d.Status.DeepCopy()
	s.ObservedGeneration = d.Generation

	ready := readiness(d, o)
	s.Phase = ready.phase
	if o.Disrupted != nil && o.Pod != nil {
		// The next pod was created before a pass saw the end of this one.
		setDisruption(&s, d.Status.Conditions, leaving(Observed{Pod: o.Disrupted}), o, now)
	}
	setDisruption(&s, d.Status.Conditions, ready, o, now)
	if ready.phase == devv1.PhaseRunning {
		if missed, ok := missedEnd(o, s.LastDisruption); ok {
			setDisruption(&s, d.Status.Conditions, missed, o, now)
		}
	}
	conditions := Conditions{List: &s.Conditions, Generation: d.Generation, Now: now}
	conditions.Set(devv1.ConditionReady, conditionStatus(ready.phase == devv1.PhaseRunning), ready.reason, ready.message)
	setAccepted(conditions, o)
	setRestartPending(conditions, d, o)
	setAgentUpdatePending(conditions, o)
	setResizePending(conditions, d, o)
	setHomeFull(conditions, o)
	setLifecycle(&s, conditions, o)
	if o.Policy != nil {
		s.Lifecycle = lifecycleStatus(*o.Policy)
	}

	if o.Flavor != "" && (s.Flavor == "" || current(o)) {
		s.Flavor = o.Flavor
	}
	if ready.phase == devv1.PhaseRunning {
		// Written together with Running, so that a start costs no write of its
		// own; kept afterwards, as where the server ran last.
		s.PodName, s.NodeName = o.Pod.Name, o.Pod.Spec.NodeName
		s.PodIP = o.Pod.Status.PodIP
		s.Home = homeStatus(o.Home)
		s.StartedAt = o.Pod.Status.StartTime.DeepCopy()
		if !s.StartedAt.Equal(d.Status.StartedAt) {
			s.OOMKills = 0
		}
		if o.Report != nil {
			s.AgentVersion = o.Report.VersionText()
			s.OOMKills = max(s.OOMKills, o.Report.OOMKills) // An agent may lie, also by less than 0.
		}
	} else if o.Pod == nil {
		s.PodIP = ""
	}
	if s.Home != nil && o.Home != nil {
		// The growth of a volume is worth a write of its own, unlike its
		// creation.
		s.Home = homeStatus(o.Home)
	}
	s.SSH = sshStatus(d, o)
	return s
}

func setAccepted(c Conditions, o Observed) {
	reason, message := devv1.ReasonApplied, "Everything that the DevServer depends on exists, and its objects are applied."
	if o.Problem != nil {
		reason, message = o.Problem.Reason, o.Problem.Message
	}
	c.Set(devv1.ConditionAccepted, conditionStatus(o.Problem == nil), reason, message)
}

func setRestartPending(c Conditions, d *devv1.DevServer, o Observed) {
	// A restart that is under way is not pending.
	pending := (RestartPending(o) || updatesAtRestart(o)) && o.Pod.DeletionTimestamp.IsZero() && len(edited(o)) == 0
	reason, message := devv1.ReasonUpToDate, "The pod has the current settings."
	if pending {
		reason = devv1.ReasonSettingsChanged
		message = "The flavor, the operator or a setting that takes effect at a start changed since the server started. To apply the change: devctl restart " + d.Name
	}
	c.Set(devv1.ConditionRestartPending, conditionStatus(pending), reason, message)
}

// current tells whether the pod, if it exists, is known to be what its next
// start would be.
func current(o Observed) bool {
	return o.Pod == nil || (o.Applied && caughtUp(o.StatefulSet) && !RestartPending(o))
}

// caughtUp tells whether the StatefulSet controller has seen the newest
// template.
func caughtUp(set *appsv1.StatefulSet) bool {
	return set != nil && set.Status.ObservedGeneration == set.Generation
}

// RestartPending tells whether the pod has other settings than its next start
// would have. It compares hashes, never pods with templates: admission plugins
// change pods. Until the StatefulSet controller has seen the newest template, a
// restart could create the old pod again, so it does not count as pending.
//
// The previous version of the operator created pods without a hash. They are
// compared by their revision, which changes with everything in the template.
func RestartPending(o Observed) bool {
	set, pod := o.StatefulSet, o.Pod
	if pod == nil || !caughtUp(set) {
		return false
	}
	have, want := pod.Annotations[objects.AnnotationTemplateHash], set.Spec.Template.Annotations[objects.AnnotationTemplateHash]
	if have == "" || want == "" {
		return RevisionOutdated(o)
	}
	return have != want
}

// RevisionOutdated tells whether the pod was made from another template than its
// next start would be, even if the difference needs no restart, such as the image of
// the agent.
func RevisionOutdated(o Observed) bool {
	set, pod := o.StatefulSet, o.Pod
	if pod == nil || !caughtUp(set) {
		return false
	}
	have, want := pod.Labels[appsv1.StatefulSetRevisionLabel], set.Status.UpdateRevision
	return have != "" && want != "" && have != want
}
