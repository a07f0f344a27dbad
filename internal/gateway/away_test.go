package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
	"devserver.io/devserver/internal/testing/sshserver"
)

// wire is the network between the gateway and the API server. A test can cut it.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
	tried chan struct{} // has a value after an attempt while it was cut
}

// through makes config use the wire.
func (w *wire) through(config *rest.Config) *rest.Config {
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.cut {
			select {
			case w.tried <- struct{}{}:
			default:
			}
			return nil, errors.New("connection refused")
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			w.conns = append(w.conns, conn)
		}
		return conn, err
	}
	return config
}

// set cuts the wire, and closes its connections, or repairs it.
func (w *wire) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	for _, conn := range w.conns {
		_ = conn.Close()
	}
	w.conns = nil
}

// While the API server does not answer, sessions continue, logins succeed from what
// the gateway knows, and waking a server reports the cause. When the API server
// answers again, the changes in between take effect.
func TestTheAPIServerAway(t *testing.T) {
	alice, bob, hostKey := sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	kube, ns := apiserver.Client(t), apiserver.Namespace(t)
	create := func(name string, status devserverv1.DevServerStatus, keys ...ssh.Signer) *devserverv1.DevServer {
		t.Helper()
		ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
		ds.Spec.Owner, ds.Spec.PersistentHomeSize = "alice@example.com", resource.MustParse("1Gi")
		ds.Spec.SSH = devserverv1.SSHSpec{PublicKey: lines(keys...)[0], PublicKeys: lines(keys...)[1:]}
		if err := kube.Create(t.Context(), ds); err != nil {
			t.Fatal(err)
		}
		ds.Status = status
		if err := kube.Status().Update(t.Context(), ds); err != nil {
			t.Fatal(err)
		}
		return ds
	}
	server := listenOnSSHPort(t)
	ip := server.Addr().(*net.TCPAddr).IP.String()
	go serveAll(server, func(conn net.Conn) { copyAndEnd(conn, conn, generous) })
	runs := create("runs", devserverv1.DevServerStatus{Phase: devserverv1.PhaseRunning, PodIP: ip}, alice, bob)
	idle := suspended("idle."+ns, alice).Status
	idle.Conditions[0].LastTransitionTime = metav1.Now()
	create("idle", idle, alice)

	way, log := &wire{tried: make(chan struct{}, 1)}, &journal{}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		cfg := Config{Listen: "127.0.0.1:0", DrainTimeout: time.Minute, WakeTimeout: time.Minute}
		ended <- run(ctx, cfg, hostKey, way.through(apiserver.Config(t)), slog.New(slog.NewJSONHandler(log, nil)))
	}()
	address, _ := addressesOf(t, log)
	w := &world{address: address, hostKey: hostKey}
	before := openServer(t, w.mustLogin(t, bob), "runs."+ns)
	checkEcho(t, before, "before")

	way.set(true)
	<-way.tried
	checkEcho(t, before, "meanwhile")
	client := w.mustLogin(t, alice)
	checkEcho(t, openServer(t, client, "runs."+ns), "logged in meanwhile")
	_, err := open(client, "idle."+ns, 22)
	if r, want := refusal(err), "waking DevServer idle."+ns+": the cluster does not answer: try again"; r == nil || r.Message != want {
		t.Errorf("waking while the API server is away: %v, want %q", err, want)
	}

	runs.Spec.SSH.PublicKeys = nil // bob's
	if err := kube.Update(t.Context(), runs); err != nil {
		t.Fatal(err)
	}
	checkEcho(t, before, "not known yet")
	way.set(false)
	if n, err := before.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d bytes from a server whose key was revoked while the API server was away", n)
	}
	_ = client.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("asked to stop, the gateway failed: %v", err)
	}
}

// listenOnSSHPort listens on the one port that a server has, at an address where
// nothing else does: all of 127.0.0.0/8 is this machine's.
func listenOnSSHPort(t *testing.T) net.Listener {
	t.Helper()
	for host := 1; ; host++ {
		ip := net.IPv4(127, 78, byte(host>>8), byte(host))
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(ip.String(), "2222"))
		if errors.Is(err, syscall.EADDRINUSE) && host < 1<<16-1 {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		return listener
	}
}

func openServer(t *testing.T, client *ssh.Client, name string) ssh.Channel {
	t.Helper()
	channel, err := open(client, name, 22)
	if err != nil {
		t.Fatal(err)
	}
	return channel
}
