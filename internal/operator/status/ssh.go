package status

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/desired"
)

// sshStatus says how to log in, as far as it is known. Host and port stay while
// the server is suspended or its Service does not exist for a moment, because
// they do not change.
func sshStatus(d *devv1.DevServer, o Observed) *devv1.SSHStatus {
	s := devv1.SSHStatus{}
	if d.Status.SSH != nil {
		s = *d.Status.SSH
	}
	if o.HostKey != "" {
		s.HostKey = o.HostKey
	}
	if o.GatewayKnown {
		s.Gateway = o.Gateway
	}
	own := d.Spec.SSH.Service.Type != devv1.SSHServiceNone && !o.GatewayOnly
	if !own {
		s.Host, s.Port = "", 0
	} else if o.SSHService != nil {
		node := s.Host
		if o.NodeAddress != "" && o.Pod != nil && isTrue(o.Pod, corev1.PodReady) {
			node = o.NodeAddress
		}
		s.Host, s.Port = endpoint(o.SSHService, node)
	}
	if s.Command = command(d, s); !own && s.Gateway != nil {
		s.Command = through(*s.Gateway, d)
	}
	if s == (devv1.SSHStatus{}) {
		return nil
	}
	return &s
}

// endpoint is where an SSH Service is reached from outside the cluster, or from inside
// for a ClusterIP. node is the address of a node that has its node port.
func endpoint(service *corev1.Service, node string) (host string, port int32) {
	ssh := sshPort(service)
	switch service.Spec.Type {
	case corev1.ServiceTypeNodePort:
		return node, ssh.NodePort
	case corev1.ServiceTypeLoadBalancer:
		return balancerHost(service), ssh.Port
	default:
		return service.Name + "." + service.Namespace + ".svc", ssh.Port
	}
}

// balancerHost is the load balancer's address, once it has one: AWS gives a
// host name, most others an IP address.
func balancerHost(service *corev1.Service) string {
	if len(service.Status.LoadBalancer.Ingress) == 0 {
		return ""
	}
	ingress := service.Status.LoadBalancer.Ingress[0]
	return cmp.Or(ingress.Hostname, ingress.IP)
}

// sshPort is the Service's port for SSH, or the zero value.
func sshPort(service *corev1.Service) corev1.ServicePort {
	for _, port := range service.Spec.Ports {
		if port.Name == agentapi.SSHPortName {
			return port
		}
	}
	return corev1.ServicePort{}
}

func command(d *devv1.DevServer, s devv1.SSHStatus) string {
	if s.Host == "" || s.Port == 0 {
		return ""
	}
	port := ""
	if s.Port != desired.ClientSSHPort {
		port = fmt.Sprintf("-p %d ", s.Port)
	}
	return fmt.Sprintf("ssh %s-o HostKeyAlias=%s %s@%s", port, objects.HostKeyAlias(d.Namespace, d.Name), agentapi.User, s.Host)
}
