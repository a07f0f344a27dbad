package status_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/status"
)

func TestGatewayAddress(t *testing.T) {
	service := func(kind corev1.ServiceType, ingress ...corev1.LoadBalancerIngress) *corev1.Service {
		return &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: "devserver-gateway", Namespace: "devserver-system"},
			Spec:       corev1.ServiceSpec{Type: kind, Ports: []corev1.ServicePort{{Name: "ssh", Port: 2200, NodePort: 31222}}},
			Status:     corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: ingress}},
		}
	}
	node := func(name, address string, age time.Duration, ready corev1.ConditionStatus) corev1.Node {
		n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-age))}}
		n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}
		if address != "" {
			n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address}}
		}
		return n
	}
	nodes := []corev1.Node{
		node("a-new", "192.0.2.1", time.Minute, corev1.ConditionTrue),
		node("c-twin", "192.0.2.3", time.Hour, corev1.ConditionTrue),
		node("b-old", "192.0.2.2", time.Hour, corev1.ConditionTrue),
		node("silent", "192.0.2.4", 2*time.Hour, corev1.ConditionUnknown),
		node("nowhere", "", 2*time.Hour, corev1.ConditionTrue),
	}
	for name, tc := range map[string]struct {
		service  *corev1.Service
		nodes    []corev1.Node
		host     string
		port     int32
		wantHost string
		wantPort int32
	}{
		"no Service yet":               {nil, nodes, "", 0, "", 0},
		"no Service, but an address":   {nil, nil, "ssh.example.com", 22, "ssh.example.com", 22},
		"node port":                    {service(corev1.ServiceTypeNodePort), nodes, "", 0, "192.0.2.2", 31222},
		"node port, no node":           {service(corev1.ServiceTypeNodePort), nil, "", 0, "", 31222},
		"node port, with a name":       {service(corev1.ServiceTypeNodePort), nodes, "nodes.example.com", 0, "nodes.example.com", 31222},
		"load balancer":                {service(corev1.ServiceTypeLoadBalancer, corev1.LoadBalancerIngress{IP: "198.51.100.7"}), nodes, "", 0, "198.51.100.7", 2200},
		"load balancer with a name":    {service(corev1.ServiceTypeLoadBalancer, corev1.LoadBalancerIngress{Hostname: "lb.example.com"}), nil, "", 0, "lb.example.com", 2200},
		"load balancer without any":    {service(corev1.ServiceTypeLoadBalancer), nodes, "", 0, "", 2200},
		"cluster IP":                   {service(corev1.ServiceTypeClusterIP), nodes, "", 0, "devserver-gateway.devserver-system.svc", 2200},
		"cluster IP behind a port map": {service(corev1.ServiceTypeClusterIP), nodes, "ssh.example.com", 22, "ssh.example.com", 22},
	} {
		t.Run(name, func(t *testing.T) {
			host, port := status.GatewayAddress(tc.service, tc.nodes, tc.host, tc.port)
			if host != tc.wantHost || port != tc.wantPort {
				t.Errorf("%s:%d, want %s:%d", host, port, tc.wantHost, tc.wantPort)
			}
		})
	}
}

func TestThroughTheGateway(t *testing.T) {
	gateway := &devv1.SSHGateway{Host: "ssh.example.com", Port: 2200, HostKey: "ssh-ed25519 GATE"}
	withGateway := func(d *devv1.DevServer) { d.Status.SSH = &devv1.SSHStatus{Gateway: gateway} }
	none := func(d *devv1.DevServer) { d.Spec.SSH.Service.Type = devv1.SSHServiceNone }
	const command = "ssh -J ssh.example.com:2200 -o HostKeyAlias=alice.team dev@alice.team"
	direct := status.Observed{
		SSHService: &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort, Ports: []corev1.ServicePort{{Name: "ssh", NodePort: 31022}}}},
		Pod:        pod(podReady), NodeAddress: "192.0.2.1", Gateway: gateway, GatewayKnown: true,
	}
	only := direct
	only.GatewayOnly = true
	for name, tc := range map[string]struct {
		d    *devv1.DevServer
		o    status.Observed
		want *devv1.SSHStatus
	}{
		"beside the server's own address": {
			devServer(), direct,
			&devv1.SSHStatus{Host: "192.0.2.1", Port: 31022, Command: "ssh -p 31022 -o HostKeyAlias=alice.team dev@192.0.2.1", Gateway: gateway},
		},
		"no address of its own": {
			devServer(none),
			status.Observed{Gateway: gateway, GatewayKnown: true},
			&devv1.SSHStatus{Command: command, Gateway: gateway},
		},
		"only through the gateway": {devServer(), only, &devv1.SSHStatus{Command: command, Gateway: gateway}},
		"port 22": {
			devServer(none),
			status.Observed{Gateway: &devv1.SSHGateway{Host: "ssh.example.com", Port: 22}, GatewayKnown: true},
			&devv1.SSHStatus{Command: "ssh -J ssh.example.com -o HostKeyAlias=alice.team dev@alice.team", Gateway: &devv1.SSHGateway{Host: "ssh.example.com", Port: 22}},
		},
		"IPv6": {
			devServer(none),
			status.Observed{Gateway: &devv1.SSHGateway{Host: "2001:db8::1", Port: 22}, GatewayKnown: true},
			&devv1.SSHStatus{Command: "ssh -J [2001:db8::1]:22 -o HostKeyAlias=alice.team dev@alice.team", Gateway: &devv1.SSHGateway{Host: "2001:db8::1", Port: 22}},
		},
		"unknown, as after a restart": {devServer(withGateway, none), status.Observed{}, &devv1.SSHStatus{Command: command, Gateway: gateway}},
		"gateway removed":             {devServer(withGateway, none), status.Observed{GatewayKnown: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, status.Compute(tc.d, tc.o, now).SSH); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
