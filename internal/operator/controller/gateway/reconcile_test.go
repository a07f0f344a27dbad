package gateway_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator"
	"devserver.io/devserver/internal/operator/controller/gateway"
	"devserver.io/devserver/internal/sshkeys"
)

// The first pass creates the host key, even without an address, because the gateway's
// pods wait for it. If the Secret is deleted or edited, it is restored with the same key.
func TestHostKeyIsCreatedAndRestored(t *testing.T) {
	w := newWorld(t)
	w.settled()
	first := w.secret(gateway.HostKeySecret)
	if first.Type != corev1.SecretTypeSSHAuth {
		t.Errorf("the Secret's type is %s", first.Type)
	}
	private := first.Data[corev1.SSHAuthPrivateKey]
	if _, err := sshkeys.PublicLine(private); err != nil {
		t.Errorf("the Secret holds no private key: %v", err)
	}
	if len(w.reported) > 0 {
		t.Errorf("without a Service, the address %+v is reported", w.lastReported())
	}

	if err := w.c.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.settled()
	edited := w.secret(gateway.HostKeySecret)
	if !bytes.Equal(edited.Data[corev1.SSHAuthPrivateKey], private) {
		t.Error("the deleted Secret was restored with another key")
	}
	edited.Data[corev1.SSHAuthPrivateKey] = []byte("else")
	if err := w.c.Update(t.Context(), edited); err != nil {
		t.Fatal(err)
	}
	w.settled()
	if !bytes.Equal(w.secret(gateway.HostKeySecret).Data[corev1.SSHAuthPrivateKey], private) {
		t.Error("the edited Secret was not restored")
	}
}

// If the admin has a Secret of that name, it is not changed.
func TestForeignSecretIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.create(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: gateway.HostKeySecret},
		Data:       map[string][]byte{corev1.SSHAuthPrivateKey: []byte("theirs")},
	})
	writes, err := w.pass()
	if err == nil || !strings.Contains(err.Error(), "is not the operator's, and stays as it is: name it in the chart's value gateway.hostKeySecret") {
		t.Errorf("the error is %v", err)
	}
	if len(writes) > 0 {
		t.Errorf("the pass writes %v, want nothing", writes)
	}
}

func TestAdminsHostKey(t *testing.T) {
	w := newWorld(t)
	w.r.Config.HostKeySecret = "ours"
	w.service(corev1.ServiceTypeClusterIP)
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "from the Secret "+w.ns+"/ours") {
		t.Errorf("if the Secret does not exist, the error is %v", err)
	}
	private, err := sshkeys.DeriveGateway([]byte(strings.Repeat("x", 32)))
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "ours"}, Data: map[string][]byte{corev1.SSHAuthPrivateKey: []byte("nonsense")}}
	w.create(secret)
	if _, err := w.pass(); err == nil || !strings.Contains(err.Error(), "it must hold a private key without a passphrase") {
		t.Errorf("if the Secret has no key, the error is %v", err)
	}
	secret.Data[corev1.SSHAuthPrivateKey] = private
	if err := w.c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	w.settled()
	want, err := sshkeys.PublicLine(private)
	if err != nil {
		t.Fatal(err)
	}
	if got := w.lastReported().HostKey; got != want {
		t.Errorf("the host key is %s, want %s", got, want)
	}
}

// Only complete addresses are reported. They follow the Service and the nodes, and stay
// valid while the Service does not exist.
func TestAddressIsReported(t *testing.T) {
	w := newWorld(t)
	service := w.service(corev1.ServiceTypeNodePort)
	w.settled()
	if len(w.reported) > 0 {
		t.Errorf("without a node, the address %+v is reported", w.lastReported())
	}
	w.node("gate-1", "192.0.2.1")
	w.settled()
	if at := w.lastReported(); at.Host != "192.0.2.1" || at.Port != service.Spec.Ports[0].NodePort || !strings.HasPrefix(at.HostKey, "ssh-ed25519 AAAA") {
		t.Errorf("the address is %+v, the Service has %+v", at, service.Spec.Ports)
	}
	if err := w.c.Delete(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	before := len(w.reported)
	w.settled()
	if len(w.reported) != before {
		t.Errorf("after the Service was deleted, the address %+v is reported", w.lastReported())
	}
	w.r.Config.Host, w.r.Config.Port = "ssh.example.com", 22
	w.settled()
	if at := w.lastReported(); at.Host != "ssh.example.com" || at.Port != 22 {
		t.Errorf("the address is %+v, want the one of the configuration", at)
	}
}

// In the operator's own manager, and with only its rights, changes of the Service and
// of nodes lead to passes.
func TestWatches(t *testing.T) {
	w := newWorld(t)
	scheme, err := operator.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	mgr, err := operator.NewManager(operator.Config{REST: w.operatorConfig(), MetricsBindAddress: "0", Log: logr.Discard()}, scheme)
	if err != nil {
		t.Fatal(err)
	}
	reported := make(chan devv1.SSHGateway, 100)
	w.r.Client, w.r.Live, w.r.Report = mgr.GetClient(), mgr.GetAPIReader(), func(at *devv1.SSHGateway) { reported <- *at }
	if err := w.r.SetupWithManager(mgr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the controller: %v", err)
		}
	})
	await := func(host string, port int32) {
		t.Helper()
		deadline := time.After(time.Minute)
		for {
			select {
			case at := <-reported:
				if at.Host == host && (port == 0 || at.Port == port) {
					return
				}
			case <-deadline:
				t.Fatalf("%s:%d is never reported", host, port)
			}
		}
	}
	service := w.service(corev1.ServiceTypeClusterIP)
	await("devserver-gateway."+w.ns+".svc", 22)
	service.Spec.Ports[0].Port = 2200
	if err := w.c.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	await("devserver-gateway."+w.ns+".svc", 2200)

	service.Spec.Type = corev1.ServiceTypeNodePort
	if err := w.c.Update(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	node := w.node("gate-2", "192.0.2.7")
	await("192.0.2.7", 0)
	node.Status.Addresses[0].Address = "192.0.2.8"
	if err := w.c.Status().Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	await("192.0.2.8", 0)
}
