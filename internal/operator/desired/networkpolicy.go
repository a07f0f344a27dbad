package desired

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// Values of objects.LabelName on the pods of the chart.
const (
	operatorPods = "devserver-operator"
	gatewayPods  = "devserver-gateway"
)

// NetworkPolicy allows only the gateway to reach the server's SSH port, and
// only the operator to reach its control port. The kubelet, which probes the
// latter, is on the pod's node, and a NetworkPolicy never applies to that.
func NetworkPolicy(in Input) *networkingv1ac.NetworkPolicyApplyConfiguration {
	d := in.DevServer
	return networkingv1ac.NetworkPolicy(objects.NetworkPolicyName(d.Name), d.Namespace).
		WithLabels(objects.Labels(d.Name)).
		WithOwnerReferences(objects.ControlledBy("DevServer", d)).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(objects.Selector(d.Name))).
			WithPolicyTypes(networkingv1.PolicyTypeIngress).
			WithIngress(
				admit(in.GatewayNamespace, gatewayPods, agentapi.SSHPort),
				admit(in.GatewayNamespace, operatorPods, agentapi.ControlPort)))
}

func admit(namespace, pods string, port int) *networkingv1ac.NetworkPolicyIngressRuleApplyConfiguration {
	return networkingv1ac.NetworkPolicyIngressRule().
		WithFrom(networkingv1ac.NetworkPolicyPeer().
			WithNamespaceSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{corev1.LabelMetadataName: namespace})).
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(map[string]string{objects.LabelName: pods}))).
		WithPorts(networkingv1ac.NetworkPolicyPort().
			WithProtocol(corev1.ProtocolTCP).
			WithPort(intstr.FromInt(port)))
}
