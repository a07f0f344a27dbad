package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	crclient "sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/apiserver"
	"devserver.io/devserver/internal/testing/sshserver"
)

func TestMain(m *testing.M) { os.Exit(apiserver.Run(m)) }

// TestRunFollowsTheAPIServer runs the whole gateway beside a real API server.
func TestRunFollowsTheAPIServer(t *testing.T) {
	alice, hostKey := sshserver.NewKey(t), sshserver.NewKey(t)
	kube, ns := apiserver.Client(t), apiserver.Namespace(t)
	create := func(name string) *devserverv1.DevServer {
		t.Helper()
		ds := &devserverv1.DevServer{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
			Spec: devserverv1.DevServerSpec{
				Owner:              "alice@example.com",
				SSH:                devserverv1.SSHSpec{PublicKey: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(alice.PublicKey())))},
				PersistentHomeSize: resource.MustParse("1Gi"),
			},
		}
		if err := kube.Create(t.Context(), ds); err != nil {
			t.Fatal(err)
		}
		return ds
	}
	before := create("before")

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	log := &journal{}
	go func() {
		cfg := Config{Listen: "127.0.0.1:0", HealthAddress: "127.0.0.1:0", DrainTimeout: time.Minute, WakeTimeout: 100 * time.Millisecond}
		ended <- run(ctx, cfg, hostKey, apiserver.Config(t), slog.New(slog.NewJSONHandler(log, nil)))
	}()
	address, probes := addressesOf(t, log)
	if got := probe(t, probes, "/readyz"); got != http.StatusOK {
		t.Errorf("/readyz answers %d once the gateway is ready", got)
	}
	w := &world{address: address, hostKey: hostKey}
	refused := func(c *ssh.Client, name, want string) {
		t.Helper()
		for {
			_, err := open(c, name+"."+ns, 22)
			r := refusal(err)
			if r == nil {
				t.Fatalf("%s: %v, want a refusal", name, err)
			}
			if strings.HasPrefix(r.Message, want) {
				return
			}
			if t.Context().Err() != nil {
				t.Fatalf("%s is refused with %q, never with %q", name, r.Message, want)
			}
		}
	}
	// Known at the first login: it is not ready before it knows all.
	c := w.mustLogin(t, alice)
	refused(c, "before", "DevServer before."+ns+" is New: the operator has not looked at it yet")

	after := create("after")
	refused(c, "after", "DevServer after."+ns+" is New: the operator has not looked at it yet")
	after.Status.Phase = devserverv1.PhaseStarting
	if err := kube.Status().Update(t.Context(), after); err != nil {
		t.Fatal(err)
	}
	refused(c, "after", "DevServer after."+ns+" is Starting")

	for _, ds := range []crclient.Object{before, after} {
		if err := kube.Delete(t.Context(), ds); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Wait() // the key no longer opens anything
	if _, err := w.login(t, nil, alice); err == nil {
		t.Error("the key of deleted DevServers logs in")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("asked to stop, the gateway failed: %v", err)
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	if err := Run(t.Context(), Config{HostKeyFile: t.TempDir() + "/none"}, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("the gateway runs without a host key")
	}
}

func TestReadinessSaysNoUntilReady(t *testing.T) {
	h := &health{}
	address, stop, err := serveHTTP(t.Context(), "127.0.0.1:0", h.handler(), func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	for _, ready := range []bool{false, true, false} {
		h.ready.Store(ready)
		want := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[ready]
		if got := probe(t, address, "/readyz"); got != want {
			t.Errorf("ready = %v: /readyz answers %d, want %d", ready, got, want)
		}
		if got := probe(t, address, "/healthz"); got != http.StatusOK {
			t.Errorf("ready = %v: /healthz answers %d", ready, got)
		}
	}
}

func probe(t *testing.T, address, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

// addressesOf waits until a gateway is ready and returns where it listens.
func addressesOf(t *testing.T, log *journal) (ssh, health string) {
	t.Helper()
	line := log.await(t, "ready")
	return fmt.Sprint(line["listen"]), fmt.Sprint(line["health"])
}
