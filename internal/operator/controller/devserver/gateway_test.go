package devserver_test

import (
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

var gatewayAddress = &devv1.SSHGateway{Host: "ssh.example.com", Port: 22, HostKey: "ssh-ed25519 GATE"}

// Where the gateway is costs no write and no read of its own on the way to
// Running, and what changes about it one write for each server.
func TestGatewayIsInTheStatus(t *testing.T) {
	w := newWorld(t)
	w.r.Gateway.Tell(gatewayAddress)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SSH.Service.Type = devv1.SSHServiceNone }))
	_, first := w.reconcile()
	w.startPod()
	_, second := w.reconcile()
	d := w.settled()
	// One less than with a Service of its own.
	if n := len(first) + len(second); n != 5 || len(w.gets) > 0 {
		t.Errorf("%d writes: %v, %v; live reads: %v", n, first, second, w.gets)
	}
	if d.Status.SSH.Gateway == nil || *d.Status.SSH.Gateway != *gatewayAddress || d.Status.SSH.Command != "ssh -J ssh.example.com -o HostKeyAlias=trainer."+w.ns+" dev@trainer."+w.ns {
		t.Errorf("status.ssh is %+v", d.Status.SSH)
	}

	w.r.Gateway.Tell(&devv1.SSHGateway{Host: "new.example.com", Port: 22, HostKey: gatewayAddress.HostKey})
	if _, writes := w.reconcile(); len(writes) != 1 || w.settled().Status.SSH.Gateway.Host != "new.example.com" {
		t.Errorf("a new address writes %v", writes)
	}
	w.r.Gateway.Tell(nil)
	if d := w.settled(); d.Status.SSH.Gateway != nil || d.Status.SSH.Command != "" {
		t.Errorf("without a gateway, status.ssh is %+v", d.Status.SSH)
	}
}

// Where the admin wants it, the gateway alone lets people in, and the server has no
// address of its own to be told.
func TestOnlyTheGatewayLetsIn(t *testing.T) {
	w := newWorld(t)
	w.r.Config.GatewayNamespace = "devserver-system"
	w.r.Gateway.Tell(gatewayAddress)
	w.flavor()
	w.create(w.devServer())
	w.reconcile()
	w.startPod()
	d := w.settled()
	if d.Status.SSH.Host != "" || d.Status.SSH.Port != 0 || !strings.HasPrefix(d.Status.SSH.Command, "ssh -J ssh.example.com ") {
		t.Errorf("status.ssh is %+v", d.Status.SSH)
	}
	policy := &networkingv1.NetworkPolicy{}
	w.get(policy, "trainer")
	if !metav1.IsControlledBy(policy, d) {
		t.Error("the NetworkPolicy does not go with its DevServer")
	}
	if err := w.c.Delete(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	w.settled()
	policy = &networkingv1.NetworkPolicy{}
	w.get(policy, "trainer")
	policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
	if err := w.c.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	w.settled()
	w.get(policy, "trainer")
	if len(policy.Spec.Ingress) != 2 {
		t.Errorf("a rule that lets everybody in stays: %+v", policy.Spec.Ingress)
	}
}

// Without being asked for, there is none.
func TestNoNetworkPolicyByDefault(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.absent(&networkingv1.NetworkPolicy{}, "trainer")
}

// gatewayIsWatched: what is new about the gateway reaches servers that nothing else
// happens to, and a NetworkPolicy that somebody takes away comes back at once.
func (w *world) gatewayIsWatched() {
	w.t.Helper()
	for _, host := range []string{"one.example.com", "two.example.com"} {
		w.r.Gateway.Tell(&devv1.SSHGateway{Host: host, Port: 22, HostKey: "ssh-ed25519 GATE"})
		await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool {
			return d.Status.SSH != nil && d.Status.SSH.Gateway != nil && d.Status.SSH.Gateway.Host == host
		})
	}
	policy := &networkingv1.NetworkPolicy{}
	w.get(policy, "trainer")
	gone := policy.UID
	if err := w.c.Delete(w.t.Context(), policy); err != nil {
		w.t.Fatal(err)
	}
	await(w, policy, "trainer", func(p *networkingv1.NetworkPolicy) bool { return p.UID != gone })
}
