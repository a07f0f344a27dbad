package standin

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// heartbeat is how often a kubelet renews its Lease.
const heartbeat = 10 * time.Second

func nodeName(i int) string    { return fmt.Sprintf("node-%d", i) }
func nodeAddress(i int) string { return fmt.Sprintf("192.0.2.%d", i%254+1) }

// Pods is the network of the pods' addresses. Its first address is the machine's own. A program
// that uses the stand-in must make sure that packets to these addresses do not leave the machine.
var Pods = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), 8)

// podAddress returns the address of the pod with the number n, which starts at 1. Pods has room
// for 16 million.
func podAddress(n int) string {
	n++
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

// addNodes creates nodes with room for all pods, and a Lease for each.
func (s *standIn) addNodes(ctx context.Context) error {
	seconds, now := int32(40), metav1.NowMicro()
	for i := range s.Nodes {
		name := nodeName(i)
		if _, err := s.client.CoreV1().Nodes().Create(ctx, newNode(i), metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating the node %s: %w", name, err)
		}
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: corev1.NamespaceNodeLease},
			Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
		}
		if _, err := s.client.CoordinationV1().Leases(lease.Namespace).Create(ctx, lease, metav1.CreateOptions{}); err != nil {
			return fmt.Errorf("creating the Lease of %s: %w", name, err)
		}
	}
	return nil
}

func newNode(i int) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("128"), corev1.ResourceMemory: resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"), corev1.ResourcePods: resource.MustParse("250"),
	}
	now := metav1.Now()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name:   nodeName(i),
		Labels: map[string]string{corev1.LabelHostname: nodeName(i), corev1.LabelOSStable: "linux", corev1.LabelArchStable: "amd64"},
	}}
	node.Status.Capacity, node.Status.Allocatable = room, room
	node.Status.Addresses = []corev1.NodeAddress{
		{Type: corev1.NodeInternalIP, Address: nodeAddress(i)}, {Type: corev1.NodeHostName, Address: nodeName(i)},
	}
	for _, kind := range []corev1.NodeConditionType{corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		state := corev1.ConditionFalse
		if kind == corev1.NodeReady {
			state = corev1.ConditionTrue
		}
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: kind, Status: state, Reason: "StandIn", LastHeartbeatTime: now, LastTransitionTime: now,
		})
	}
	return node
}

// renew renews the Lease of every node.
func (s *standIn) renew(ctx context.Context) error {
	leases := s.client.CoordinationV1().Leases(corev1.NamespaceNodeLease)
	for i := range s.Nodes {
		name := nodeName(i)
		patch := fmt.Appendf(nil, `{"spec":{"renewTime":%q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
		if _, err := leases.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("renewing the Lease of %s: %w", name, err)
		}
	}
	return nil
}
