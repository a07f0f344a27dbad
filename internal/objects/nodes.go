package objects

import corev1 "k8s.io/api/core/v1"

// NodeReady is the status of a node's Ready condition: Unknown once the node
// lifecycle controller has given up waiting for the node's kubelet, and empty if
// the node has no such condition yet.
func NodeReady(n *corev1.Node) corev1.ConditionStatus {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return ""
}
