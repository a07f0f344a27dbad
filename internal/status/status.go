// Package status computes a DevServer's status from what was observed. It is
// pure: the same observation gives the same status, and a message says the
// same as long as its cause is the same.
package status

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// Observed is what the cluster has for a DevServer. A nil object is not there.
type Observed struct {
	// Problem hinders the DevServer before or beside its pod: what the resolve
	// stage found missing, or an object that could not be applied.
	Problem *Problem
	// Flavor is the name of the flavor in use.
	Flavor string
	// HostKey is the public host key, "ssh-ed25519 AAAA…".
	HostKey string

	StatefulSet *appsv1.StatefulSet
	SSHService  *corev1.Service
	Pod         *corev1.Pod
	// PodRefused is why the API server refuses the pod, in its own words.
	PodRefused string
	// VolumeTrouble is why a volume of the pod is not there or not mounted, in
	// the words of whoever provides it.
	VolumeTrouble string
	// NodeAddress is where the pod's node, and so a NodePort, is reached.
	NodeAddress string
	// NodeLost is set while the pod's node does not answer.
	NodeLost bool
	// Home is the claim of the home directory.
	Home *corev1.PersistentVolumeClaim
	// HomeRefused is why the API server does not let the claim grow.
	HomeRefused *Problem
}

// Problem is a cause that a person can act on.
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
	setCondition(&s, d.Generation, now, devv1.ConditionReady, ready.phase == devv1.PhaseRunning, ready.reason, ready.message)
	setAccepted(&s, d.Generation, o, now)
	setRestartPending(&s, d.Generation, o, now)
	setResizePending(&s, d, o, now)

	if o.Flavor != "" {
		s.Flavor = o.Flavor
	}
	if ready.phase == devv1.PhaseRunning {
		// Written together with Running, so that the way there costs no write of
		// its own; kept afterwards, as where it ran last.
		s.PodName, s.NodeName = o.Pod.Name, o.Pod.Spec.NodeName
		s.PodIP = o.Pod.Status.PodIP
		s.Home = homeStatus(o.Home)
		s.StartedAt = o.Pod.Status.StartTime.DeepCopy()
	} else if o.Pod == nil {
		s.PodIP = ""
	}
	s.SSH = sshStatus(d, o)
	return s
}

func setAccepted(s *devv1.DevServerStatus, generation int64, o Observed, now time.Time) {
	reason, message := devv1.ReasonApplied, "All that the DevServer names is there, and its objects are applied."
	if o.Problem != nil {
		reason, message = o.Problem.Reason, o.Problem.Message
	}
	setCondition(s, generation, now, devv1.ConditionAccepted, o.Problem == nil, reason, message)
}

func setRestartPending(s *devv1.DevServerStatus, generation int64, o Observed, now time.Time) {
	pending := RestartPending(o)
	reason, message := devv1.ReasonUpToDate, "The pod has the current settings."
	if pending {
		reason = devv1.ReasonSettingsChanged
		message = "The flavor or the operator changed since the pod " + o.Pod.Name + " started. The change takes effect when it starts again: kubectl delete pod " + o.Pod.Name
	}
	setCondition(s, generation, now, devv1.ConditionRestartPending, pending, reason, message)
}

// RestartPending tells whether the pod has other settings than its next start
// would have. It compares revisions, never pods with templates: admission
// plugins change pods. Until the StatefulSet controller has seen the newest
// template there is nothing to compare.
func RestartPending(o Observed) bool {
	set, pod := o.StatefulSet, o.Pod
	if set == nil || pod == nil || set.Status.ObservedGeneration != set.Generation {
		return false
	}
	have, want := pod.Labels[appsv1.StatefulSetRevisionLabel], set.Status.UpdateRevision
	return have != "" && want != "" && have != want
}

func setCondition(s *devv1.DevServerStatus, generation int64, now time.Time, kind string, is bool, reason, message string) {
	state := metav1.ConditionFalse
	if is {
		state = metav1.ConditionTrue
	}
	meta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type:               kind,
		Status:             state,
		Reason:             reason,
		Message:            Bounded(message),
		ObservedGeneration: generation,
		LastTransitionTime: metav1.NewTime(now),
	})
}

// maxMessage keeps a message readable; the API allows 32 KiB.
const maxMessage = 1024

// Bounded is the message of a condition, cut where it is too long.
func Bounded(message string) string {
	runes := []rune(message)
	if len(runes) <= maxMessage {
		return message
	}
	return string(runes[:maxMessage-1]) + "…"
}
