package devserver

import (
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// poll starts or stops the polling of the server's agent, which lasts from when SSH
// first answers until the pod is deleted.
func (r *Reconciler) poll(in resolved, run lifecycle.Decision, o status.Observed) {
	pod := o.Pod
	switch {
	case pod == nil, !pod.DeletionTimestamp.IsZero():
		r.Poller.Forget(in.key())
		return
	case !run.Run, !status.PodReady(pod):
		return // Its last report may still matter until it is deleted.
	case run.AwaitsAgent:
		return // Its instructions stay as they are until it has answered.
	}
	target := agentclient.Target{
		Pod: pod.UID, Address: agentAddress(in.own, pod),
		Instructions:   agentapi.Instructions{Thresholds: in.policy.Thresholds, Notice: status.Notice(in.server, in.policy, r.Clock.Now())},
		TracksActivity: run.TracksActivity || !run.ExpiresAt.IsZero(),
		Every:          in.policy.PollEvery(),
		SecretHash:     desired.SecretFilesHash(in.input),
		Version:        in.server.Status.AgentVersion,
	}
	if o.Agent != nil {
		target.AwaitsSessions = o.Agent.Reason == devv1.ReasonWaitingForSessions
		target.Instructions.Warning = o.Agent.Warning
	}
	if run.Warning != nil {
		// The notice is for users who log in after the warning.
		target.Instructions.Warning = run.Warning.Sentence()
		target.Instructions.Notice = strings.TrimSpace(target.Instructions.Notice + "\n" + run.Warning.Sentence())
	}
	if activity := run.Activity; activity != nil {
		target.Known = activity.Last
		if activity.State != lifecycle.Idle {
			target.Tolerance = in.policy.RenewEvery()
		}
	}
	r.Poller.Watch(in.key(), target)
}

// agentAddress is how to reach the agent in a pod.
func agentAddress(o own, pod *corev1.Pod) agentclient.Address {
	return agentclient.Address{
		HostPort: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(agentapi.ControlPort)),
		KeyPEM:   string(o.input.Keys.ControlKeyPEM), Token: o.input.Keys.ControlToken,
	}
}

// lastReport returns what the agent in the pod reported last; nil if it was not polled.
func (r *Reconciler) lastReport(in resolved, pod *corev1.Pod) *agentapi.Report {
	if pod == nil {
		return nil
	}
	last, asked := r.Poller.Last(in.key(), pod.UID)
	if !asked || last.At.IsZero() {
		return nil
	}
	return &last.Report
}
