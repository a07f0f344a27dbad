package status

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/serverstate"
)

// state is the Ready condition and the phase that goes with it.
type state struct {
	phase           devv1.DevServerPhase
	reason, message string
}

func readiness(d *devv1.DevServer, o Observed) state {
	if !d.DeletionTimestamp.IsZero() {
		return state{devv1.PhaseTerminating, devv1.ReasonTerminating, "The DevServer is being deleted. " + serverstate.HomeFate(d)}
	}
	if s, ok := suspended(d, o); ok {
		return s
	}
	switch {
	case o.Pod != nil && o.Pod.DeletionTimestamp.IsZero() && isTrue(o.Pod, corev1.PodReady):
		if fields := edited(o); len(fields) > 0 {
			// The pod is about to be deleted: the server does not run with its present
			// spec.
			return restarting(fields)
		}
		// True of this pod, whatever prevents its next start.
		return state{devv1.PhaseRunning, devv1.ReasonAnswering, "SSH answers."}
	case o.Problem != nil:
		return state{devv1.PhasePending, o.Problem.Reason, o.Problem.Message}
	case o.Pod == nil && o.PodRefused != "":
		return rootRefused(d, o, refused(o.PodRefused, o.Flavor))
	case o.Pod == nil && o.Disrupted != nil:
		return leaving(Observed{Pod: o.Disrupted})
	case o.Pod == nil:
		return starting(underWay)
	case o.NodeLost:
		return failed(devv1.ReasonNodeLost, "%s", nodeLost(o.Pod.Spec.NodeName))
	case !o.Pod.DeletionTimestamp.IsZero():
		return leaving(o)
	}
	if fields := edited(o); len(fields) > 0 && disrupted(o.Pod) == nil && !o.NodeGone {
		// Whatever prevented this pod from starting, the next one has other settings.
		return restarting(fields)
	}
	if updatesAgent(o) {
		return starting(agentUpdate)
	}
	return podState(d, o)
}

func nodeLost(node string) string {
	return fmt.Sprintf("The node %[1]s does not answer, and the server may still run there. The server starts on another node once this one answers, is deleted (kubectl delete node %[1]s), or is tainted as out of service (kubectl taint node %[1]s node.kubernetes.io/out-of-service=:NoExecute).", node)
}

// leaving is the state while the pod of the last start ends.
func leaving(o Observed) state {
	if c := disrupted(o.Pod); c != nil {
		return evicted(c.Reason, c.Message)
	}
	if fields := edited(o); len(fields) > 0 {
		return restarting(fields)
	}
	return starting("The previous pod is being stopped.")
}

func restarting(fields []string) state {
	return state{devv1.PhaseStarting, devv1.ReasonRestarting, "The server is being restarted, because " + strings.Join(fields, ", ") + " changed."}
}

// Edited are the fields of the DevServer's own spec that changed since its pod
// started and that take effect by a restart now. Until the StatefulSet controller
// has seen them, another pod would have the old ones again.
func Edited(o Observed) []string {
	if !caughtUp(o.StatefulSet) {
		return nil
	}
	return edited(o)
}

func edited(o Observed) []string {
	if o.Pod == nil || o.StatefulSet == nil {
		return nil
	}
	return desired.Edited(o.Pod.Annotations, o.StatefulSet.Spec.Template.Annotations)
}

// disrupted is the condition that Kubernetes sets on a pod that it evicts; nil for
// any other pod.
func disrupted(pod *corev1.Pod) *corev1.PodCondition {
	if c := Condition(pod, corev1.DisruptionTarget); c != nil && c.Status == corev1.ConditionTrue {
		return c
	}
	return nil
}

// Disrupted tells whether Kubernetes evicts the pod from its node.
func Disrupted(pod *corev1.Pod) bool { return disrupted(pod) != nil }

// evicted explains the reasons of Kubernetes.
func evicted(reason, message string) state {
	why := map[string]string{
		"PreemptionByScheduler":  "a pod of higher priority needs its node",
		"EvictionByEvictionAPI":  "its node is being drained",
		"DeletionByTaintManager": "its node was tainted",
		"TerminationByKubelet":   "its node is short of memory or disk, or is shutting down",
		"DeletionByPodGC":        "its node was deleted",
	}[reason]
	return state{devv1.PhaseStarting, devv1.ReasonEvicted, "The server was evicted and is started again: " + cmp.Or(why, message, reason) + "."}
}

// underWay is the message from the first pass until the pod is Ready. One message
// for all steps saves a write of the status at each start.
const underWay = "The pod is being created and started."

func starting(message string) state {
	return state{devv1.PhaseStarting, devv1.ReasonStarting, message}
}

func failed(reason, format string, args ...any) state {
	return state{devv1.PhaseFailed, reason, fmt.Sprintf(format, args...)}
}

// podState reads a pod that is not Ready from the outside in: ended, not
// scheduled, then its containers in the order in which they run.
func podState(d *devv1.DevServer, o Observed) state {
	pod := o.Pod
	if pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded {
		if pod.Status.Reason == "Evicted" {
			return state{devv1.PhaseStarting, devv1.ReasonEvicted, "The node evicted the server, which is started again: " + pod.Status.Message}
		}
		if c := disrupted(pod); c != nil {
			return evicted(c.Reason, c.Message)
		}
		return failed(devv1.ReasonPodFailed, "The pod ended: %s", podEnd(pod))
	}
	if o.VolumeFailure != "" {
		return volumeFailure(o)
	}
	if c := Condition(pod, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable && !serverstate.PodAwaitsClaims(pod) {
		return state{devv1.PhasePending, devv1.ReasonUnschedulable, "No node can take the pod: " + c.Message}
	}
	if s, ok := containersState(d, o); ok {
		return s
	}
	return starting(underWay)
}

// volumeFailure is about a claim until the pod has a node, and then about the node's
// attempts to mount the volumes, and to create the pod's sandbox, which comes next.
func volumeFailure(o Observed) state {
	pod, why := o.Pod, o.VolumeFailure
	if pod.Spec.NodeName == "" {
		return state{devv1.PhasePending, devv1.ReasonClaimNotBound, why}
	}
	if cause, ok := strings.CutPrefix(why, "Failed to create pod sandbox: "); ok {
		return sandboxFailure(o, cause)
	}
	return failed(devv1.ReasonVolumeFailed, "A volume cannot be mounted: %s", why)
}

// perTry matches what differs between the messages of a runtime's attempts.
var perTry = regexp.MustCompile(`rpc error: code = \w+ desc = | "[0-9a-f]{64}"`)

func sandboxFailure(o Observed, cause string) state {
	node := o.Pod.Spec.NodeName
	if o.Root && strings.Contains(cause, "unable to setup user: setgroups: invalid argument") {
		return failed(devv1.ReasonContainerConfigError, "The flavor %s grants root in a user namespace, and on the node %s that has no uid as high as the server's: it has 65536 of them, unless the kubelet's userNamespaces.idsPerPod is larger. Choose a flavor without root.", o.Flavor, node)
	}
	return failed(devv1.ReasonContainerConfigError, "The node %s cannot start the pod: %s", node, perTry.ReplaceAllString(cause, ""))
}

func podEnd(pod *corev1.Pod) string {
	text := cmp.Or(pod.Status.Reason, string(pod.Status.Phase))
	if pod.Status.Message != "" {
		text += ": " + pod.Status.Message
	}
	return text
}

// PodReady tells whether SSH answers: the readiness probe is the SSH check.
func PodReady(pod *corev1.Pod) bool { return isTrue(pod, corev1.PodReady) }

// Condition is a condition of the pod; nil if it has none of that type.
func Condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func isTrue(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	c := Condition(pod, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}
