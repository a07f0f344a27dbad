package desired

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
)

// ClientSSHPort is the port of the SSH Service, the one that clients expect.
const ClientSSHPort = 22

// HeadlessService gives the pod its DNS name. It publishes addresses that are
// not ready, so that the name resolves while the server starts.
func HeadlessService(in Input) *corev1ac.ServiceApplyConfiguration {
	d := in.DevServer
	return corev1ac.Service(objects.HeadlessServiceName(d.Name), d.Namespace).
		WithLabels(objects.Labels(d.Name)).
		WithOwnerReferences(objects.ControlledBy("DevServer", d)).
		WithSpec(corev1ac.ServiceSpec().
			WithClusterIP(corev1.ClusterIPNone).
			WithPublishNotReadyAddresses(true).
			WithSelector(objects.Selector(d.Name)).
			WithPorts(corev1ac.ServicePort().
				WithName(agentapi.SSHPortName).
				WithProtocol(corev1.ProtocolTCP).
				WithPort(agentapi.SSHPort).
				WithTargetPort(intstr.FromString(agentapi.SSHPortName))))
}

// SSHService is how clients reach the server. It publishes addresses that are
// not ready: kube-proxy takes up to a second to follow, and until then a server
// that is Running, which the pod's own probe decides, would refuse connections.
func SSHService(in Input) *corev1ac.ServiceApplyConfiguration {
	d := in.DevServer
	wish := d.Spec.SSH.Service
	port := corev1ac.ServicePort().
		WithName(agentapi.SSHPortName).
		WithProtocol(corev1.ProtocolTCP).
		WithPort(ClientSSHPort).
		WithTargetPort(intstr.FromString(agentapi.SSHPortName))
	service := corev1ac.Service(objects.SSHServiceName(d.Name), d.Namespace).
		WithLabels(objects.Labels(d.Name)).
		WithOwnerReferences(objects.ControlledBy("DevServer", d)).
		WithSpec(corev1ac.ServiceSpec().
			WithType(corev1.ServiceType(wish.Type)).
			WithPublishNotReadyAddresses(true).
			WithSelector(objects.Selector(d.Name)))
	for key, value := range wish.Annotations {
		service.WithAnnotations(map[string]string{key: string(value)})
	}
	if in.NodePort != 0 {
		port.WithNodePort(in.NodePort)
		service.WithAnnotations(map[string]string{objects.AnnotationNodePort: strconv.Itoa(int(in.NodePort))})
	}
	service.Spec.WithPorts(port)
	return service
}
