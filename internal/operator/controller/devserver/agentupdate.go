package devserver

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
	"devserver.io/devserver/internal/operator/watchcache"
	"devserver.io/devserver/internal/printable"
)

// updateAgent updates the agent of a running server, if it is outdated and the update is
// due. It returns the decision for the status, and takes the step that it requires. The
// decision is nil while the agent is asked for a new report, which leads to another pass.
func (r *Reconciler) updateAgent(ctx context.Context, in resolved, run lifecycle.Decision, o *status.Observed) (*agentupdate.Decision, error) {
	pod := o.Pod
	if pod == nil || !pod.DeletionTimestamp.IsZero() || !run.Run || pod.Spec.NodeName == "" || len(status.Edited(*o)) > 0 ||
		!agentupdate.Pending(agentupdate.PodOf(pod), r.Config.AgentImage) {
		in.memory.agentWarnedAt = time.Time{}
		return &agentupdate.Decision{}, nil
	}
	d, err := r.decideAgentUpdate(ctx, in, run, pod)
	if err != nil {
		return nil, err
	}
	if d.Act == agentupdate.ActStart {
		// A session may have been opened since the last report.
		if !r.Poller.Refresh(in.key(), pod.UID) {
			return nil, nil
		}
		// Two servers of a node must not both decide to start: only one decides at a time.
		r.agentUpdates.Lock()
		defer r.agentUpdates.Unlock()
		if d, err = r.decideAgentUpdate(ctx, in, run, pod); err != nil {
			return nil, err
		}
	}
	in.memory.agentWarnedAt = d.WarnedAt
	return &d, r.carryOutAgentUpdate(ctx, in, pod, d)
}

// decideAgentUpdate decides from what is known now. The pull is read only if the
// decision depends on it.
func (r *Reconciler) decideAgentUpdate(ctx context.Context, in resolved, run lifecycle.Decision, pod *corev1.Pod) (agentupdate.Decision, error) {
	facts, err := r.agentFacts(ctx, in, run, pod)
	if err != nil {
		return agentupdate.Decision{}, err
	}
	d := agentupdate.Decide(facts, r.Clock.Now())
	if d.Act != agentupdate.ActPull {
		return d, nil
	}
	pull, err := r.pullPod(ctx, facts.Node)
	if err != nil || pull == nil {
		return d, err
	}
	facts.Pull = pullOf(pull)
	return agentupdate.Decide(facts, r.Clock.Now()), nil
}

func (r *Reconciler) agentFacts(ctx context.Context, in resolved, run lifecycle.Decision, pod *corev1.Pod) (agentupdate.Facts, error) {
	f := agentupdate.Facts{
		Policy: r.Config.Agents.Update, Image: r.Config.AgentImage,
		Pod: agentupdate.PodOf(pod), Node: pod.Spec.NodeName,
		WarnedAt: in.memory.agentWarnedAt, StopAnnounced: run.Warning != nil,
	}
	if c := meta.FindStatusCondition(in.server.Status.Conditions, devv1.ConditionAgentUpdatePending); c != nil && c.Status == metav1.ConditionTrue {
		f.OutdatedSince = c.LastTransitionTime.Time
	}
	if last, asked := r.Poller.Last(in.key(), pod.UID); asked && !last.At.IsZero() && last.Failures == 0 {
		f.Sessions = &last.Report.Sessions
	}
	// Unlike watchcache.List, this waits until the cache has the operator's own writes:
	// another server on the node may have been patched a moment ago.
	pods := &corev1.PodList{}
	if err := r.Client.List(ctx, pods, client.MatchingFields{watchcache.FieldNode: f.Node}, client.UnsafeDisableDeepCopy); err != nil {
		return f, fmt.Errorf("listing the servers on Node %s: %w", f.Node, err)
	}
	for i := range pods.Items {
		if other := &pods.Items[i]; other.UID != pod.UID && other.DeletionTimestamp.IsZero() {
			f.Others = append(f.Others, agentupdate.PodOf(other))
		}
	}
	return f, nil
}

// carryOutAgentUpdate takes the step that a decision requires.
func (r *Reconciler) carryOutAgentUpdate(ctx context.Context, in resolved, pod *corev1.Pod, d agentupdate.Decision) error {
	p := agentupdate.PodOf(pod)
	switch d.Act {
	case agentupdate.ActPull:
		return r.pull(ctx, pod.Spec.NodeName)
	case agentupdate.ActStart:
		update := agentupdate.Update{Image: r.Config.AgentImage, From: p.Image, StartedAt: metav1.NewTime(r.Clock.Now()), Restarts: p.Restarts}
		return r.patchAgent(ctx, pod, r.Config.AgentImage, map[string]any{objects.AnnotationAgentUpdate: update.String()})
	case agentupdate.ActRollBack:
		update := *p.Update
		update.Failed = printable.Prose(d.Cause, maxCause)
		if err := r.patchAgent(ctx, pod, update.From, map[string]any{objects.AnnotationAgentUpdate: update.String()}); err != nil {
			return err
		}
		return r.forgetPull(ctx, pod.Spec.NodeName) // No server of the node gets this image any more.
	case agentupdate.ActFinish:
		if err := r.patchAgent(ctx, pod, "", map[string]any{objects.AnnotationAgentUpdate: nil, objects.AnnotationAgentImage: p.Update.Image}); err != nil {
			return err
		}
		r.Recorder.Eventf(in.server, pod, corev1.EventTypeNormal, devv1.ReasonAgentUpdated, "UpdateAgent", "The server's agent was updated to the image %s.", p.Update.Image)
		r.Poller.Refresh(in.key(), pod.UID) // The status gets the version from the report.
		return r.forgetPull(ctx, pod.Spec.NodeName)
	}
	return nil
}

// maxCause bounds the cause of a failed update, in characters.
const maxCause = 500

// patchAgent changes the annotations of a pod and, unless image is empty, the image of its
// SSH server, which restarts that container alone. The patch fails if the pod has changed
// since it was read.
func (r *Reconciler) patchAgent(ctx context.Context, pod *corev1.Pod, image string, annotations map[string]any) error {
	fields := map[string]any{"metadata": map[string]any{"annotations": annotations, "resourceVersion": pod.ResourceVersion}}
	if image != "" {
		fields["spec"] = map[string]any{"containers": []any{map[string]any{"name": objects.SSHContainer, "image": image}}}
	}
	return client.IgnoreNotFound(r.patchAs(ctx, types.StrategicMergePatchType, pod.DeepCopy(), fields))
}
