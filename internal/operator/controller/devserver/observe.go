package devserver

import (
	"cmp"
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/desired"
	"devserver.io/devserver/internal/operator/status"
)

// observe reads what is there, and says when to look again even without an
// event (0: never).
func (r *Reconciler) observe(ctx context.Context, d *devv1.DevServer) (o status.Observed, again time.Duration, err error) {
	set, err := get(ctx, r, d, desired.StatefulSetName(d.Name), &appsv1.StatefulSet{})
	if err != nil || set == nil {
		return o, 0, err
	}
	o.StatefulSet = set
	if o.SSHService, err = get(ctx, r, d, desired.SSHServiceName(d.Name), &corev1.Service{}); err != nil {
		return o, 0, err
	}
	if o.Pod, err = r.pod(ctx, d, set); err != nil {
		return o, 0, err
	}
	if o.Pod == nil && ptr.Deref(set.Spec.Replicas, 1) == 0 {
		return o, 0, nil
	}
	o.Left = r.departed.before(client.ObjectKeyFromObject(d), o.Pod)
	if o.Pod == nil {
		o.PodRefused, again, err = r.podRefused(ctx, set)
		return o, again, err
	}
	if o.VolumeTrouble, again, err = r.volumeTrouble(ctx, o.Pod); err != nil {
		return o, 0, err
	}
	return o, again, r.observeNode(ctx, &o)
}

// get returns an object of the DevServer's that it controls, or nil. It is the
// watch cache's own, as are all objects that a pass reads beside the DevServer
// and its flavor: nobody may change them.
func get[T client.Object](ctx context.Context, r *Reconciler, d *devv1.DevServer, name string, into T) (T, error) {
	var none T
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: name}, into, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("reading %T %s/%s: %w", into, d.Namespace, name, err)
	}
	if !metav1.IsControlledBy(into, d) {
		return none, nil
	}
	return into, nil
}

func (r *Reconciler) pod(ctx context.Context, d *devv1.DevServer, set *appsv1.StatefulSet) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: desired.PodName(d.Name)}, pod, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Pod %s/%s: %w", d.Namespace, desired.PodName(d.Name), err)
	}
	if !metav1.IsControlledBy(pod, set) {
		return nil, nil
	}
	return pod, nil
}

// observeNode finds out where the pod's node is reached from outside, and
// whether it answers.
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
	o.NodeLost = silent(node)
	if r.Config.SSHHost == "" {
		o.NodeAddress = cmp.Or(status.NodeAddress(node), o.Pod.Status.HostIP)
	}
	return nil
}

// silent: the node lifecycle controller has given up waiting for the kubelet.
func silent(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionUnknown
		}
	}
	return false
}
