package devserver

import (
	"cmp"
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/status"
)

// observe reads what became of the server's objects, and returns when to look
// again even without an event; 0 for never.
func (r *Reconciler) observe(ctx context.Context, in resolved, run lifecycle.Decision, a applied) (o status.Observed, again time.Duration, err error) {
	o = status.Observed{
		Problem:     a.problem,
		HomeRefused: a.homeRefused,
		Applied:     a.problem == nil && a.err == nil,
		Flavor:      in.flavorName(),
		Root:        in.input.Flavor != nil && desired.GrantsRoot(in.input),
		Home:        in.home,
		HostKey:     in.input.Keys.HostPublic,
		GatewayOnly: r.Config.GatewayNamespace != "",
		Policy:      &in.policy,
		Lifecycle:   &run,
	}
	o.Gateway, o.GatewayKnown = r.Gateway.Address()
	again, err = r.observeObjects(ctx, in, &o)
	o.Report = r.lastReport(in, o.Pod)
	return o, again, err
}

func (r *Reconciler) observeObjects(ctx context.Context, in resolved, o *status.Observed) (again time.Duration, err error) {
	d := in.server
	if o.StatefulSet, err = get(ctx, r, d, objects.StatefulSetName(d.Name), &appsv1.StatefulSet{}); err != nil || o.StatefulSet == nil {
		return 0, err
	}
	if o.SSHService, err = get(ctx, r, d, objects.SSHServiceName(d.Name), &corev1.Service{}); err != nil {
		return 0, err
	}
	if o.Pod, err = get(ctx, r, o.StatefulSet, objects.PodName(d.Name), &corev1.Pod{}); err != nil {
		return 0, err
	}
	if o.Pod == nil && ptr.Deref(o.StatefulSet.Spec.Replicas, 1) == 0 {
		return 0, nil
	}
	o.Disrupted = in.memory.disruptedBefore(o.Pod)
	if o.Pod == nil {
		o.PodRefused, again, err = r.podRefused(ctx, o.StatefulSet)
		return again, err
	}
	if o.VolumeFailure, again, err = r.volumeFailure(ctx, o.Pod); err != nil {
		return 0, err
	}
	return again, r.observeNode(ctx, o)
}

// observeNode finds the address of the pod's node, and whether the node answers.
func (r *Reconciler) observeNode(ctx context.Context, o *status.Observed) error {
	o.NodeAddress = cmp.Or(r.Config.SSHHost, o.Pod.Status.HostIP)
	if o.Pod.Spec.NodeName == "" {
		o.NodeAddress = r.Config.SSHHost
		return nil
	}
	node := &corev1.Node{}
	if err := r.Client.Get(ctx, types.NamespacedName{Name: o.Pod.Spec.NodeName}, node, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			o.NodeGone = true
			return nil
		}
		return fmt.Errorf("reading Node %s: %w", o.Pod.Spec.NodeName, err)
	}
	// The node lifecycle controller has given up waiting for the node's kubelet.
	o.NodeLost = objects.NodeReady(node) == corev1.ConditionUnknown
	if r.Config.SSHHost == "" {
		o.NodeAddress = cmp.Or(status.NodeAddress(node), o.Pod.Status.HostIP)
	}
	return nil
}
