package status

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
)

// GatewayAddress is where the gateway's Service is reached, as far as it is
// known: "" or 0 is not. What the admin says, in host and port, comes first.
func GatewayAddress(service *corev1.Service, nodes []corev1.Node, host string, port int32) (string, int32) {
	found, at := "", int32(0)
	if service != nil {
		found, at = serviceAddress(service, nodes)
	}
	return cmp.Or(host, found), cmp.Or(port, at)
}

func serviceAddress(service *corev1.Service, nodes []corev1.Node) (string, int32) {
	switch service.Spec.Type {
	case corev1.ServiceTypeNodePort:
		return anyNode(nodes), nodePort(service)
	case corev1.ServiceTypeLoadBalancer:
		return balancerHost(service), servicePort(service)
	default:
		return service.Name + "." + service.Namespace + ".svc", servicePort(service)
	}
}

// anyNode is the address of a node that answers, for a port that all nodes have.
// It is the oldest one, so that nodes may come and go without a new address.
func anyNode(nodes []corev1.Node) string {
	var oldest *corev1.Node
	for i := range nodes {
		n := &nodes[i]
		if !answers(n) || NodeAddress(n) == "" {
			continue
		}
		if oldest == nil || n.CreationTimestamp.Before(&oldest.CreationTimestamp) ||
			n.CreationTimestamp.Equal(&oldest.CreationTimestamp) && n.Name < oldest.Name {
			oldest = n
		}
	}
	if oldest == nil {
		return ""
	}
	return NodeAddress(oldest)
}

func answers(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue && node.DeletionTimestamp.IsZero()
		}
	}
	return false
}

// NodeAddress is where a node is reached from outside, as far as it says.
func NodeAddress(node *corev1.Node) string {
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeExternalDNS, corev1.NodeInternalIP} {
		for _, address := range node.Status.Addresses {
			if address.Type == kind {
				return address.Address
			}
		}
	}
	return ""
}

func servicePort(service *corev1.Service) int32 {
	for _, port := range service.Spec.Ports {
		if port.Name == agentapi.SSHPortName {
			return port.Port
		}
	}
	return 0
}

// through is the command to log in by way of the gateway, whose own host key the
// alias is not for: ssh -J does not pass it on.
func through(g devv1.SSHGateway, d *devv1.DevServer) string {
	name := objects.HostKeyAlias(d.Namespace, d.Name)
	at := g.Host
	if g.Port != desired.ClientSSHPort || strings.Contains(at, ":") {
		at = net.JoinHostPort(at, strconv.Itoa(int(g.Port))) // An IPv6 address only so.
	}
	return fmt.Sprintf("ssh -J %s -o HostKeyAlias=%s %s@%s", at, name, agentapi.User, name)
}
