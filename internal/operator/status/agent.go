package status

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// updatesAtRestart tells whether only a restart updates the agent.
func updatesAtRestart(o Observed) bool { return o.Pod != nil && o.Agent != nil && o.Agent.AtRestart }

// setAgentUpdatePending sets the condition. It exists only once an update has been
// pending.
func setAgentUpdatePending(c Conditions, o Observed) {
	switch {
	case o.Agent == nil:
	case o.Agent.Reason != "":
		c.Set(devv1.ConditionAgentUpdatePending, metav1.ConditionTrue, o.Agent.Reason, o.Agent.Message)
	case meta.FindStatusCondition(*c.List, devv1.ConditionAgentUpdatePending) != nil:
		c.Set(devv1.ConditionAgentUpdatePending, metav1.ConditionFalse, devv1.ReasonUpToDate, "No update of the agent is pending while the server runs.")
	}
}

// agentUpdate is the message while the new SSH server starts.
const agentUpdate = "The agent is being updated. Processes in the server continue."

// updatesAgent tells whether SSH does not answer because the agent is being updated. If
// the main container does not run, that is the more important cause.
func updatesAgent(o Observed) bool {
	return o.Agent != nil && o.Agent.Updating && slices.ContainsFunc(o.Pod.Status.ContainerStatuses, func(c corev1.ContainerStatus) bool {
		return c.Name == objects.ServerContainer && c.State.Running != nil
	})
}
