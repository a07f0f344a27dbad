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
	"devserver.io/devserver/internal/precedence"
)

// GatewayAddress is where the gateway's Service is reached; "" and 0 if that is
// not known. The admin's host and port take precedence.
func GatewayAddress(service *corev1.Service, nodes []corev1.Node, host string, port int32) (string, int32) {
	found, at := "", int32(0)
	if service != nil {
		found, at = endpoint(service, anyNode(nodes))
	}
	return cmp.Or(host, found), cmp.Or(port, at)
}

// anyNode is the address of a node that is Ready, for a port that all nodes
// have. It is the oldest one, so that the address stays when nodes are added or
// removed.
func anyNode(nodes []corev1.Node) string {
	oldest := precedence.Oldest(nodes, func(n *corev1.Node) bool {
		return objects.NodeReady(n) == corev1.ConditionTrue && n.DeletionTimestamp.IsZero() && NodeAddress(n) != ""
	})
	if oldest == nil {
		return ""
	}
	return NodeAddress(oldest)
}

// NodeAddress is the address at which a node is reached from outside, if it has
// one.
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

// through is the command to log in through the gateway. The alias is not for
// the gateway's own host key: ssh -J does not pass it on.
func through(g devv1.SSHGateway, d *devv1.DevServer) string {
	name := objects.HostKeyAlias(d.Namespace, d.Name)
	at := g.Host
	if g.Port != desired.ClientSSHPort || strings.Contains(at, ":") {
		at = net.JoinHostPort(at, strconv.Itoa(int(g.Port))) // ssh -J takes an IPv6 address only with a port.
	}
	return fmt.Sprintf("ssh -J %s -o HostKeyAlias=%s %s@%s", at, name, agentapi.User, name)
}
