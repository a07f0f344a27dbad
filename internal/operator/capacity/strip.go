package capacity

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// StripPod reduces a pod that is not a server's to what it takes from its node:
// one container that requests what the whole pod is counted with.
func StripPod(pod *corev1.Pod) {
	stripped := corev1.Pod{
		TypeMeta: pod.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			UID: pod.UID, Namespace: pod.Namespace, Name: pod.Name,
			ResourceVersion: pod.ResourceVersion, DeletionTimestamp: pod.DeletionTimestamp,
		},
		Spec:   corev1.PodSpec{NodeName: pod.Spec.NodeName},
		Status: corev1.PodStatus{Phase: pod.Status.Phase},
	}
	if list := Requests(pod); len(list) > 0 && !terminal(pod) {
		stripped.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: list}}}
	}
	*pod = stripped
}

// StripNode reduces a node to what decides about its room, and its addresses. In
// particular, it drops the list of images.
func StripNode(n *corev1.Node) {
	stripped := corev1.Node{
		TypeMeta: n.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			UID: n.UID, Name: n.Name, ResourceVersion: n.ResourceVersion,
			CreationTimestamp: n.CreationTimestamp, DeletionTimestamp: n.DeletionTimestamp, Labels: n.Labels,
		},
		Spec:   corev1.NodeSpec{Taints: n.Spec.Taints, Unschedulable: n.Spec.Unschedulable},
		Status: corev1.NodeStatus{Allocatable: n.Status.Allocatable, Addresses: n.Status.Addresses},
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			stripped.Status.Conditions = []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	*n = stripped
}

// NodeChanged tells whether an update of a node may change what fits on it.
// Most updates are heartbeats, which do not.
func NodeChanged(before, after *corev1.Node) bool {
	return ready(before) != ready(after) ||
		before.Spec.Unschedulable != after.Spec.Unschedulable ||
		!equality.Semantic.DeepEqual(before.Labels, after.Labels) ||
		!equality.Semantic.DeepEqual(before.Spec.Taints, after.Spec.Taints) ||
		!equality.Semantic.DeepEqual(before.Status.Allocatable, after.Status.Allocatable)
}

// PodMatters tells whether the creation or deletion of a pod may change a
// flavor's status.
func PodMatters(pod *corev1.Pod) bool {
	return !terminal(pod) && (pod.Spec.NodeName != "" || Ours(pod))
}

// PodChanged tells whether an update of a pod may change a flavor's status.
// Most updates are about containers, and do not.
func PodChanged(before, after *corev1.Pod) bool {
	if !PodMatters(before) && !PodMatters(after) {
		return false
	}
	return PodMatters(before) != PodMatters(after) ||
		Ours(before) != Ours(after) ||
		before.Spec.NodeName != after.Spec.NodeName ||
		!equality.Semantic.DeepEqual(Requests(before), Requests(after))
}
