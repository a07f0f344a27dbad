package gateway

import (
	"bytes"
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/sshserver"
)

// world is a gateway on a loopback port, with the DevServers of a test.
type world struct {
	close   func() // ends accepting, as Run does before it drains
	address string
	hostKey ssh.Signer
	server  *server
	log     *journal
	servers map[string]*devserverv1.DevServer

	mu     sync.Mutex
	routes map[string]string // from a server's address in the cluster to one here
	dialed []string
	edits  []string // of Leases
	edited func(types.NamespacedName) error
}

// newWorld starts a gateway. Each change is made to it before it starts.
func newWorld(t testing.TB, changes ...func(*server)) *world {
	t.Helper()
	w := &world{hostKey: sshserver.NewKey(t), log: &journal{}, servers: map[string]*devserverv1.DevServer{}, routes: map[string]string{}}
	w.server = newServer(w.hostKey, newDirectory(), w.edit, slog.New(slog.NewJSONHandler(w.log, nil)))
	w.server.dial = w.dial
	// These tests do not wait for clients to hang up.
	w.server.hangUpTime = 0
	// An obstacle is reported at once.
	w.server.patience = patience{wake: time.Minute, between: 10 * time.Millisecond}
	for _, change := range changes {
		change(w.server)
	}
	listener := listen(t)
	w.address = listener.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		w.server.serve(listener)
	}()
	w.close = func() {
		_ = listener.Close()
		<-served
	}
	t.Cleanup(func() {
		w.close()
		now, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		cancel()
		w.server.drain(now)
	})
	return w
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func listen(t testing.TB) net.Listener {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener
}

// dial stands in for the cluster's network.
func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.dialed = append(w.dialed, address)
	route, ok := w.routes[address]
	w.mu.Unlock()
	if !ok {
		return nil, errors.New("connection refused")
	}
	return (&net.Dialer{}).DialContext(ctx, network, route)
}

// edit stands in for the API server.
func (w *world) edit(_ context.Context, name types.NamespacedName, spec map[string]any) error {
	w.mu.Lock()
	w.edits = append(w.edits, fmt.Sprintf("%s %v", address(name), slices.Sorted(maps.Keys(spec))))
	edited := w.edited
	w.mu.Unlock()
	if edited == nil {
		return nil
	}
	return edited(name)
}

func (w *world) leaseEdits() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.edits)
}

func (w *world) dials() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.dialed...)
}

// put updates a DevServer in the directory, as the watch does.
func (w *world) put(ds *devserverv1.DevServer) {
	w.mu.Lock()
	old, handler := w.servers[ds.Name+"."+ds.Namespace], devServerHandler(w.server.directory)
	w.servers[ds.Name+"."+ds.Namespace] = ds
	w.mu.Unlock()
	if old == nil {
		handler.OnAdd(ds, false)
		return
	}
	handler.OnUpdate(old, ds)
}

// running is a DevServer that keys open and whose pod has the address ip.
func running(address, ip string, keys ...ssh.Signer) *devserverv1.DevServer {
	name, namespace, _ := strings.Cut(address, ".")
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	ds.Spec.SSH.PublicKeys = lines(keys...)
	ds.Status.Phase = devserverv1.PhaseRunning
	ds.Status.PodIP = ip
	return ds
}

func lines(keys ...ssh.Signer) (lines []string) {
	for _, key := range keys {
		lines = append(lines, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key.PublicKey()))))
	}
	return lines
}

// route makes address the SSH port of the server at ip.
func (w *world) route(ip, address string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.routes[net.JoinHostPort(ip, "2222")] = address
}

// generous lends as many buffers as the servers of tests may want.
var generous = borrower{budget: sshpolicy.NewBudget(1<<20, 1<<20)}

// echo makes the server at ip send back every byte.
func (w *world) echo(t testing.TB, ip string) {
	t.Helper()
	w.serveAt(t, ip, func(conn net.Conn) { copyAndEnd(conn, conn, generous) })
}

// serveAt makes serve the server at ip. It is called for each connection.
func (w *world) serveAt(t testing.TB, ip string, serve func(net.Conn)) {
	t.Helper()
	listener := listen(t)
	w.route(ip, listener.Addr().String())
	go serveAll(listener, serve)
}

func serveAll(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// login connects as a client with these keys.
func (w *world) login(t testing.TB, change func(*ssh.ClientConfig), keys ...ssh.Signer) (*ssh.Client, error) {
	t.Helper()
	config := &ssh.ClientConfig{
		User:            "any",
		Auth:            []ssh.AuthMethod{ssh.PublicKeys(keys...)},
		HostKeyCallback: ssh.FixedHostKey(w.hostKey.PublicKey()),
	}
	if change != nil {
		change(config)
	}
	client, err := ssh.Dial("tcp", w.address, config)
	if err == nil {
		t.Cleanup(func() { _ = client.Close() })
	}
	return client, err
}

func (w *world) mustLogin(t testing.TB, keys ...ssh.Signer) *ssh.Client {
	t.Helper()
	client, err := w.login(t, nil, keys...)
	if err != nil {
		t.Fatalf("login: %v", err)
	}
	return client
}

// open requests a tunnel as ssh -J does.
func open(client *ssh.Client, host string, port uint32) (ssh.Channel, error) {
	channel, requests, err := client.OpenChannel("direct-tcpip", ssh.Marshal(target{host, port, "127.0.0.1", 4000}))
	if err == nil {
		go ssh.DiscardRequests(requests)
	}
	return channel, err
}

// refusal is why a channel was refused; nil if it was not.
func refusal(err error) *ssh.OpenChannelError {
	var refused *ssh.OpenChannelError
	errors.As(err, &refused)
	return refused
}

// checkEcho sends a line through channel and wants it back.
func checkEcho(t testing.TB, channel ssh.Channel, line string) {
	t.Helper()
	if _, err := channel.Write([]byte(line)); err != nil {
		t.Fatalf("writing to the server: %v", err)
	}
	got := make([]byte, len(line))
	for n := 0; n < len(got); {
		m, err := channel.Read(got[n:])
		if err != nil {
			t.Fatalf("reading from the server after %q: %v", got[:n], err)
		}
		n += m
	}
	if diff := cmp.Diff(line, string(got)); diff != "" {
		t.Fatalf("echo (-sent +got):\n%s", diff)
	}
}

func signerFor(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	signer, err := ssh.NewSignerFromSigner(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// journal collects JSON log lines.
type journal struct {
	mu    sync.Mutex
	lines [][]byte
	more  chan struct{}
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, bytes.Clone(line))
	if j.more != nil {
		close(j.more)
		j.more = nil
	}
	return len(line), nil
}

// await returns the first line with that message, once it is written.
func (j *journal) await(t testing.TB, message string) map[string]any {
	t.Helper()
	for next := 0; ; {
		j.mu.Lock()
		lines := j.lines[next:]
		next = len(j.lines)
		if j.more == nil {
			j.more = make(chan struct{})
		}
		more := j.more
		j.mu.Unlock()
		for _, line := range lines {
			var entry map[string]any
			if err := json.Unmarshal(line, &entry); err != nil {
				t.Fatalf("log line %q: %v", line, err)
			}
			if entry["msg"] == message {
				return entry
			}
		}
		select {
		case <-more:
		case <-t.Context().Done():
			t.Fatalf("no log line %q", message)
		}
	}
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return string(bytes.Join(j.lines, nil))
}
