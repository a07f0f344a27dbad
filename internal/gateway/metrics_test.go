package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/crypto/ssh"
	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/sshserver"
)

func TestMetricsCountWhatHappens(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(suspended("a.team", alice))
	w.edited = func(types.NamespacedName) error {
		go w.put(running("a.team", "10.0.0.1", alice))
		return nil
	}
	if _, err := w.login(t, nil, sshserver.NewKey(t)); err == nil {
		t.Fatal("an unknown key logs in")
	}
	_ = dial(t, w.address).Close() // a port scanner
	client := w.mustLogin(t, alice)
	channel, err := open(client, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(client, "127.0.0.1", 22); err == nil {
		t.Fatal("the gateway connects to something else")
	}
	checkEcho(t, channel, "seven b")
	_ = channel.Close()
	w.log.await(t, "session")
	// A client sees the end of its login before the gateway counts it.
	w.awaitLogins(t, resultFailed, 1)
	w.awaitLogins(t, resultRefused, 1)

	var got []string
	for _, line := range w.series(t) {
		if !strings.Contains(line, "_bucket") && !strings.Contains(line, "_sum") {
			got = append(got, line)
		}
	}
	want := []string{
		`bytes_total{direction="from_server"} 7`, `bytes_total{direction="to_server"} 7`,
		`channels_total{result="ok"} 1`, `channels_total{result="refused"} 1`,
		`connections 1`,
		`logins_total{result="failed"} 1`, `logins_total{result="ok"} 1`, `logins_total{result="refused"} 1`,
		`panics_total 0`, `tunnels 0`, `wake_seconds_count 1`, `wakes_total{result="ok"} 1`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// awaitLogins waits until as many logins are counted to have ended so.
func (w *world) awaitLogins(t *testing.T, result string, want float64) {
	t.Helper()
	for testutil.ToFloat64(w.server.metrics.logins.WithLabelValues(result)) < want {
		if t.Context().Err() != nil {
			t.Fatalf("fewer than %v logins are counted as %s", want, result)
		}
		runtime.Gosched()
	}
}

// series are the lines of /metrics that are the gateway's own.
func (w *world) series(t *testing.T) []string {
	t.Helper()
	server := httptest.NewServer(w.server.metrics.handler())
	t.Cleanup(server.Close)
	response, err := server.Client().Get(server.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "devserver_gateway_"); ok {
			lines = append(lines, name)
		}
	}
	slices.Sort(lines)
	return lines
}

// The number of series does not depend on the number of users, servers and attackers.
func TestMetricsDoNotGrow(t *testing.T) {
	w := newWorld(t)
	visit := func(i int) {
		key, ip := sshserver.NewKey(t), fmt.Sprintf("10.0.1.%d", i)
		w.echo(t, ip)
		name := fmt.Sprintf("server-%d.team-%d", i, i)
		w.put(running(name, ip, key))
		if _, err := w.login(t, nil, sshserver.NewKey(t)); err == nil {
			t.Fatal("an unknown key logs in")
		}
		client, err := w.login(t, func(c *ssh.ClientConfig) { c.User = fmt.Sprintf("user-%d", i) }, key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(client, fmt.Sprintf("host-%d", i), uint32(i)); err == nil {
			t.Fatal("the gateway connects to something else")
		}
		if _, _, err := client.OpenChannel(fmt.Sprintf("kind-%d", i), nil); err == nil {
			t.Fatal("an odd channel is opened")
		}
		channel, err := open(client, name, 22)
		if err != nil {
			t.Fatal(err)
		}
		checkEcho(t, channel, "x")
		_ = client.Close()
	}
	visit(0)
	w.awaitLogins(t, resultRefused, 1)
	want := len(w.series(t))
	for i := 1; i < 50; i++ {
		visit(i)
	}
	if lines := w.series(t); len(lines) != want {
		t.Errorf("%d series after one visitor, %d after fifty:\n%s", want, len(lines), strings.Join(lines, "\n"))
	}
}

// The connections that are not logged in are bounded per address, so that a flood of
// them does not lock out clients from other addresses.
func TestHalfOpenConnectionsKeepNobodyElseOut(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	// More than may log in at once, in all and from one address.
	for range 2 * sshpolicy.MaxLogins {
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
		t.Fatalf("a client from another address: %v", err)
	}
	_ = conn.Close()
}
