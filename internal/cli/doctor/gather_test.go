package doctor

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestWhere(t *testing.T) {
	service := func(kind corev1.ServiceType, nodePort int32, ingress ...corev1.LoadBalancerIngress) *corev1.Service {
		s := &corev1.Service{}
		s.Spec.Type, s.Spec.Ports = kind, []corev1.ServicePort{{Port: 22, NodePort: nodePort}}
		s.Status.LoadBalancer.Ingress = ingress
		return s
	}
	for want, s := range map[string]*corev1.Service{
		"port 32691 of every node":                          service(corev1.ServiceTypeNodePort, 32691),
		"ssh.example.com port 22":                           service(corev1.ServiceTypeLoadBalancer, 32691, corev1.LoadBalancerIngress{Hostname: "ssh.example.com"}),
		"192.0.2.1 port 22":                                 service(corev1.ServiceTypeLoadBalancer, 0, corev1.LoadBalancerIngress{IP: "192.0.2.1"}),
		"the load balancer has not assigned an address yet": service(corev1.ServiceTypeLoadBalancer, 32691),
		"reachable inside the cluster only":                 service(corev1.ServiceTypeClusterIP, 0),
	} {
		if got := where(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
