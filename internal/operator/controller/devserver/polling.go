package devserver

import (
	"net"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agent/control"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// kubeletDelay is longer than a kubelet takes to bring a changed Secret into a
// pod: what the agent sees then is what the Secret holds.
const kubeletDelay = 4 * time.Minute

// Connect reaches the agent of a box.
func Connect(a agentclient.Address) (agentclient.Agent, error) {
	return control.NewClient(a.HostPort, []byte(a.KeyPEM), a.Token)
}

// watch has the agent of a box asked from when it first answered until its pod
// goes.
func (r *Reconciler) watch(d *devv1.DevServer, in resolved, decision lifecycle.Decision, pod *corev1.Pod) {
	key := client.ObjectKeyFromObject(d)
	switch {
	case pod == nil, !pod.DeletionTimestamp.IsZero():
		r.Poller.Forget(key)
		return
	case !decision.Run, !status.PodReady(pod):
		return // Until it goes, what it says may matter still.
	}
	target := agentclient.Target{
		Pod: pod.UID,
		Address: agentclient.Address{
			HostPort: net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(agentapi.ControlPort)),
			KeyPEM:   string(in.Keys.ControlKeyPEM), Token: in.Keys.ControlToken,
		},
		Instructions: agentapi.Instructions{Thresholds: in.policy.Thresholds, Notice: status.Notice(d, in.policy, r.Clock.Now())},
		Watched:      decision.Watched || !decision.ExpiresAt.IsZero(),
		Every:        in.policy.AskEvery(),
		SecretHash:   desired.SecretFilesHash(in.Input),
	}
	if decision.Warning != nil {
		// Also at the login of who comes later.
		target.Instructions.Warning = decision.Warning.Sentence()
		target.Instructions.Notice = strings.TrimSpace(target.Instructions.Notice + "\n" + decision.Warning.Sentence())
	}
	if work := decision.Work; work != nil {
		target.Known = work.Last
		if work.State != lifecycle.Idle {
			target.Restless = in.policy.RenewEvery()
		}
	}
	r.Poller.Watch(key, target)
}

// lastReport is what the agent in the pod said last; nil if it was not asked.
func (r *Reconciler) lastReport(d *devv1.DevServer, pod *corev1.Pod) *agentapi.Report {
	if pod == nil {
		return nil
	}
	last, asked := r.Poller.Last(client.ObjectKeyFromObject(d), pod.UID)
	if !asked || last.At.IsZero() {
		return nil
	}
	return &last.Report
}

// edited tells of a Secret that somebody changed after it was applied, by what
// the agent sees of it. Nobody may read Secrets.
func (r *Reconciler) edited(d *devv1.DevServer, in resolved, applied delivery) bool {
	if in.pod == nil || applied.at.IsZero() {
		return false
	}
	last, asked := r.Poller.Last(client.ObjectKeyFromObject(d), in.pod.UID)
	if !asked || last.Report.SecretHash == "" || last.At.Sub(applied.at) < kubeletDelay<<applied.restores {
		return false
	}
	return last.Report.SecretHash != desired.SecretFilesHash(in.Input)
}
