package devserver_test

import (
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

var gatewayAddress = &devv1.SSHGateway{Host: "ssh.example.com", Port: 22, HostKey: "ssh-ed25519 GATE"}

// The gateway's address takes no extra write and no read on the way to Running. A new
// address takes one write for each server.
func TestGatewayIsInTheStatus(t *testing.T) {
	w := newWorld(t)
	w.r.Gateway.Set(gatewayAddress)
	w.flavor()
	w.create(w.devServer(func(d *devv1.DevServer) { d.Spec.SSH.Service.Type = devv1.SSHServiceNone }))
	_, first := w.reconcile()
	w.startPod()
	_, second := w.reconcile()
	d := w.settled()
	// One write less than with an SSH Service.
	if n := len(first) + len(second); n != 5 || len(w.gets) > 0 {
		t.Errorf("%d writes, want 5: %v, %v; reads from the API server, want none: %v", n, first, second, w.gets)
	}
	if d.Status.SSH.Gateway == nil || *d.Status.SSH.Gateway != *gatewayAddress || d.Status.SSH.Command != "ssh -J ssh.example.com -o HostKeyAlias=trainer."+w.ns+" dev@trainer."+w.ns {
		t.Errorf("status.ssh is %+v", d.Status.SSH)
	}

	w.r.Gateway.Set(&devv1.SSHGateway{Host: "new.example.com", Port: 22, HostKey: gatewayAddress.HostKey})
	if _, writes := w.reconcile(); len(writes) != 1 || w.settled().Status.SSH.Gateway.Host != "new.example.com" {
		t.Errorf("after a change of the address, a pass writes %v, want the status", writes)
	}
	w.r.Gateway.Set(nil)
	if d := w.settled(); d.Status.SSH.Gateway != nil || d.Status.SSH.Command != "" {
		t.Errorf("without a gateway, status.ssh is %+v", d.Status.SSH)
	}
}

// If the admin allows connections only through the gateway, the status has no address
// of the server itself, and a NetworkPolicy enforces that.
func TestGatewayOnly(t *testing.T) {
	w := newWorld(t)
	w.r.Config.GatewayNamespace = "devserver-system"
	w.r.Gateway.Set(gatewayAddress)
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
		t.Error("the NetworkPolicy does not belong to the DevServer")
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
		t.Errorf("an added rule that allows everything is not removed: %+v", policy.Spec.Ingress)
	}
}

func TestNoNetworkPolicyByDefault(t *testing.T) {
	w := newWorld(t)
	w.flavor()
	w.create(w.devServer())
	w.settled()
	w.absent(&networkingv1.NetworkPolicy{}, "trainer")
}

// wantGatewayWatched fails the test unless a new address of the gateway leads to a
// pass over a DevServer, and a deleted NetworkPolicy is created again.
func (w *world) wantGatewayWatched() {
	w.t.Helper()
	for _, host := range []string{"one.example.com", "two.example.com"} {
		w.r.Gateway.Set(&devv1.SSHGateway{Host: host, Port: 22, HostKey: "ssh-ed25519 GATE"})
		await(w, &devv1.DevServer{}, "trainer", func(d *devv1.DevServer) bool {
			return d.Status.SSH != nil && d.Status.SSH.Gateway != nil && d.Status.SSH.Gateway.Host == host
		})
	}
	policy := &networkingv1.NetworkPolicy{}
	w.get(policy, "trainer")
	deleted := policy.UID
	if err := w.c.Delete(w.t.Context(), policy); err != nil {
		w.t.Fatal(err)
	}
	await(w, policy, "trainer", func(p *networkingv1.NetworkPolicy) bool { return p.UID != deleted })
}
