package devserver

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/desired"
	"devserver.io/devserver/internal/status"
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
	if o.Pod == nil {
		o.PodRefused, again, err = r.podRefused(ctx, set)
		return o, again, err
	}
	if awaitsVolumes(o.Pod) {
		again = mountPatience
	}
	o.NodeAddress, err = r.nodeAddress(ctx, o.Pod)
	return o, again, err
}

// get returns an object of the DevServer's that it controls, or nil.
func get[T client.Object](ctx context.Context, r *Reconciler, d *devv1.DevServer, name string, into T) (T, error) {
	var none T
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: name}, into)
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
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: d.Namespace, Name: desired.PodName(d.Name)}, pod)
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

// podRefused asks the StatefulSet's events why it has no pod, once it had time
// to create one: a quota or a Pod Security level shows nowhere else.
func (r *Reconciler) podRefused(ctx context.Context, set *appsv1.StatefulSet) (why string, again time.Duration, err error) {
	if !set.DeletionTimestamp.IsZero() {
		return "", 0, nil
	}
	if age := r.Clock.Since(set.CreationTimestamp.Time); age < podPatience {
		return "", podPatience - age + time.Second, nil
	}
	list := &corev1.EventList{}
	if err := r.Live.List(ctx, list, client.InNamespace(set.Namespace), client.MatchingFields{
		"involvedObject.uid": string(set.UID), "reason": "FailedCreate",
	}); err != nil {
		return "", 0, fmt.Errorf("listing the events of StatefulSet %s/%s: %w", set.Namespace, set.Name, err)
	}
	var latest *corev1.Event
	for i := range list.Items {
		if e := &list.Items[i]; latest == nil || latest.LastTimestamp.Before(&e.LastTimestamp) {
			latest = e
		}
	}
	if latest != nil {
		why = latest.Message
	}
	return why, conflictRetry, nil
}

// nodeAddress is where NodePorts of the pod's node are reached from outside.
func (r *Reconciler) nodeAddress(ctx context.Context, pod *corev1.Pod) (string, error) {
	if r.Config.SSHHost != "" {
		return r.Config.SSHHost, nil
	}
	if pod.Spec.NodeName == "" {
		return "", nil
	}
	node := &corev1.Node{}
	err := r.Client.Get(ctx, types.NamespacedName{Name: pod.Spec.NodeName}, node)
	if apierrors.IsNotFound(err) {
		return pod.Status.HostIP, nil
	}
	if err != nil {
		return "", fmt.Errorf("reading Node %s: %w", pod.Spec.NodeName, err)
	}
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeExternalDNS, corev1.NodeInternalIP} {
		for _, address := range node.Status.Addresses {
			if address.Type == kind {
				return address.Address, nil
			}
		}
	}
	return pod.Status.HostIP, nil
}
