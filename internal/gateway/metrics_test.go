package gateway

import (
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/sshtest"
)

func TestMetricsCountWhatHappens(t *testing.T) {
	w, alice := newWorld(t), sshtest.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(suspended("a.team", alice))
	w.edited = func(types.NamespacedName) error {
		go w.put(running("a.team", "10.0.0.1", alice))
		return nil
	}
	if _, err := w.login(t, nil, sshtest.NewKey(t)); err == nil {
		t.Fatal("a stranger logs in")
	}
	scanner := dial(t, w.address)
	_, _ = io.WriteString(scanner, "GET / HTTP/1.0\r\n\r\n")
	_, _ = io.Copy(io.Discard, scanner)
	client := w.mustLogin(t, alice)
	channel, err := open(client, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(client, "127.0.0.1", 22); err == nil {
		t.Fatal("the gateway leads elsewhere")
	}
	checkEcho(t, channel, "seven b")
	_ = channel.Close()
	w.log.await(t, "session")

	server := httptest.NewServer(w.server.metrics.handler())
	t.Cleanup(server.Close)
	response, err := server.Client().Get(server.URL + "/metrics") //nolint:noctx // A test's own server.
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	var got []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "devserver_gateway_") && !strings.Contains(line, "_bucket") && !strings.Contains(line, "_sum") {
			got = append(got, strings.TrimPrefix(strings.TrimSpace(line), "devserver_gateway_"))
		}
	}
	slices.Sort(got)
	want := []string{
		`bytes_total{direction="from_box"} 7`, `bytes_total{direction="to_box"} 7`,
		`channels_total{result="ok"} 1`, `channels_total{result="refused"} 1`,
		`connections 1`,
		`logins_total{result="failed"} 1`, `logins_total{result="ok"} 1`, `logins_total{result="refused"} 1`,
		`panics_total 0`, `tunnels 0`, `wake_seconds_count 1`, `wakes_total{result="ok"} 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// What is open before login is bounded, and a flood of it keeps nobody out who
// comes from elsewhere.
func TestHalfOpenConnectionsKeepNobodyElseOut(t *testing.T) {
	w, alice := newWorld(t), sshtest.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	for range 10_000 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	config := &ssh.ClientConfig{User: "dev", Auth: []ssh.AuthMethod{ssh.PublicKeys(alice)}, HostKeyCallback: ssh.FixedHostKey(w.hostKey.PublicKey())}
	elsewhere := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	raw, err := elsewhere.DialContext(t.Context(), "tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	conn, _, _, err := ssh.NewClientConn(raw, w.address, config)
	if err != nil {
		t.Fatalf("somebody from another address: %v", err)
	}
	_ = conn.Close()
}
