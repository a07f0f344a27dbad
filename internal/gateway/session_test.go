package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/sshserver"
)

func TestTunnelCarriesBytesAndEndsHalfByHalf(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	channel, err := open(w.mustLogin(t, alice), "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	sent := strings.Repeat("0123456789abcdef", 1<<16)
	go func() {
		_, _ = io.WriteString(channel, sent)
		_ = channel.CloseWrite()
	}()
	// The echo ends only after our end has arrived there.
	got, err := io.ReadAll(channel)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != sent {
		t.Errorf("got %d bytes back, want the %d that were sent", len(got), len(sent))
	}
	if diff := cmp.Diff([]string{"10.0.0.1:2222"}, w.dials()); diff != "" {
		t.Errorf("the gateway connected to (-want +got):\n%s", diff)
	}
}

func TestServerThatIsNotRunningIsRefusedWithTheCause(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	waiting := running("a.team", "10.0.0.1", alice)
	pending(waiting, `flavor "huge" does not exist`)
	w.put(waiting)
	w.put(running("dead.team", "10.0.0.9", alice))
	client := w.mustLogin(t, alice)
	for host, want := range map[string]ssh.OpenChannelError{
		"a.team":    {Reason: ssh.Prohibited, Message: `DevServer a.team is Pending: flavor "huge" does not exist. The gateway gave up after 0s; the server will start when it can, so try again later`},
		"dead.team": {Reason: ssh.ConnectionFailed, Message: "DevServer dead.team does not answer: try again"},
	} {
		_, err := open(client, host, 22)
		refused := refusal(err)
		if refused == nil {
			t.Errorf("%s: %v, want a refusal", host, err)
			continue
		}
		if diff := cmp.Diff(want, *refused); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}

func TestPodAddressIsTheCurrentOne(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.2")
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	w.put(running("a.team", "10.0.0.2", alice))
	channel, err := open(client, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, channel, "moved")
}

func TestRevokedKeyIsCutOff(t *testing.T) {
	cases := map[string]struct {
		reason string
		revoke func(*world, ssh.Signer)
		alive  bool
	}{
		"LastServer": {
			reason: "a key that opens nothing is disconnected",
			revoke: func(w *world, _ ssh.Signer) {
				w.put(running("b.team", "10.0.0.2"))
				w.put(running("a.team", "10.0.0.1"))
			},
		},
		"OneServer": {
			reason: "the connection continues for the servers that the key still opens",
			revoke: func(w *world, _ ssh.Signer) { w.put(running("a.team", "10.0.0.1")) },
			alive:  true,
		},
		"Deleted": {
			reason: "a DevServer that is deleted ends what was open to it",
			revoke: func(w *world, _ ssh.Signer) { devServerHandler(w.server.directory).OnDelete(w.servers["a.team"]) },
			alive:  true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice, bob := sshserver.NewKey(t), sshserver.NewKey(t)
			w.echo(t, "10.0.0.1")
			w.echo(t, "10.0.0.2")
			w.put(running("a.team", "10.0.0.1", alice))
			w.put(running("b.team", "10.0.0.2", alice, bob))
			client, other := w.mustLogin(t, alice), w.mustLogin(t, bob)
			channel, err := open(client, "a.team", 22)
			if err != nil {
				t.Fatal(err)
			}
			checkEcho(t, channel, "before")
			unaffected, err := open(other, "b.team", 22)
			if err != nil {
				t.Fatal(err)
			}

			tc.revoke(w, bob)
			if n, err := channel.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("%s: read %d bytes, %v from the server, want the end", tc.reason, n, err)
			}
			if got := w.log.await(t, "session")["ended"]; got != errRevoked.Error() {
				t.Errorf("%s: the log says that the session ended because %v", tc.reason, got)
			}
			if !tc.alive {
				_ = client.Wait() // ends, or the test does not
				return
			}
			if _, err := open(client, "a.team", 22); err == nil {
				t.Errorf("%s: the server can be opened again", tc.reason)
			}
			if _, err := open(client, "b.team", 22); err != nil {
				t.Errorf("%s: %v", tc.reason, err)
			}
			checkEcho(t, unaffected, "still here")
		})
	}
}

func TestLogLineOfASession(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	client, err := w.login(t, func(c *ssh.ClientConfig) { c.User = "my-password-by-mistake" }, alice)
	if err != nil {
		t.Fatal(err)
	}
	channel, err := open(client, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, channel, "seven b")
	_ = channel.Close()
	line := w.log.await(t, "session")
	for _, field := range []string{"time", "level", "start", "seconds"} {
		if line[field] == nil {
			t.Errorf("the line has no %s", field)
		}
		delete(line, field)
	}
	want := map[string]any{
		"msg":               "session",
		"fingerprint":       string(keyOf(alice)),
		"server":            "a.team",
		"from":              client.LocalAddr().String(),
		"bytes_to_server":   7.0,
		"bytes_from_server": 7.0,
		"ended":             "closed",
	}
	if diff := cmp.Diff(want, line); diff != "" {
		t.Errorf("audit line (-want +got):\n%s", diff)
	}
	if strings.Contains(w.log.text(), "my-password-by-mistake") {
		t.Error("the user name, which may be a secret, is in the log")
	}
}

func TestDrainLetsSessionsFinish(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	busy, idle := w.mustLogin(t, alice), w.mustLogin(t, alice)
	channel, err := open(busy, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	silent := dial(t, w.address)
	if _, err := silent.Read(make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	w.close()
	drained := make(chan int, 1)
	go func() { drained <- w.server.drain(t.Context()) }()
	_ = idle.Wait() // is closed, or the test does not end

	_, err = open(busy, "a.team", 22)
	if refused := refusal(err); refused == nil || refused.Message != errStopping.Error() {
		t.Errorf("a new channel while draining: %v, want %q", err, errStopping)
	}
	_, _ = io.Copy(io.Discard, silent) // is closed too, although not logged in
	checkEcho(t, channel, "still working")
	select {
	case left := <-drained:
		t.Fatalf("drained, %d left, while a session is open", left)
	default:
	}
	_ = channel.Close()
	if left := <-drained; left != 0 {
		t.Errorf("%d connections were cut off, want none", left)
	}
}

// TestDrainLetsClientsHangUp: a client whose last channel has just ended closes
// the connection itself. Cut off before, it might report that in place of its
// command's exit status.
func TestDrainLetsClientsHangUp(t *testing.T) {
	w := newWorld(t, func(s *server) { s.hangUpTime = time.Hour })
	alice := sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	session, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Run("list"); err != nil {
		t.Fatal(err)
	}
	connection := w.server.all()[0]
	for !connection.hasEnded() {
		if t.Context().Err() != nil {
			t.Fatal("the session has not ended")
		}
		runtime.Gosched()
	}
	w.close()
	drained := make(chan int, 1)
	go func() { drained <- w.server.drain(t.Context()) }()
	for !w.server.isDraining() {
		runtime.Gosched()
	}
	connection.closeIfIdle() // as drain does, now or in a moment
	if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Errorf("the client was cut off: %v", err)
	}
	_ = client.Close()
	if left := <-drained; left != 0 {
		t.Errorf("%d connections were cut off, want none", left)
	}
}

func (c *client) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open == 0 && !c.ended.IsZero()
}

// lastWords is a channel whose client has sent something and left.
type lastWords struct {
	ssh.Channel
	text io.Reader
}

func (l lastWords) Read(p []byte) (int, error) { return l.text.Read(p) }
func (lastWords) Write([]byte) (int, error)    { return 0, io.EOF }
func (lastWords) CloseWrite() error            { return nil }
func (lastWords) Close() error                 { return nil }
func (lastWords) Stderr() io.ReadWriter        { return &bytes.Buffer{} }

// newChannel is a request for a channel.
type newChannel struct {
	ssh.NewChannel
	channel  ssh.Channel
	requests <-chan *ssh.Request
}

func (n newChannel) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	return n.channel, n.requests, nil
}

// slowServer is a connection on which a write takes a while, during which the
// client leaves.
type slowServer struct {
	net.Conn
	leave  func()
	closed chan struct{}
	close  sync.Once
	got    strings.Builder
}

func (b *slowServer) Write(p []byte) (int, error) {
	b.leave()
	select {
	case <-time.After(sshpolicy.LingerTime / 2):
		return b.got.Write(p)
	case <-b.closed:
		return 0, net.ErrClosed
	}
}

func (b *slowServer) Read([]byte) (int, error) {
	<-b.closed
	return 0, io.EOF
}

func (*slowServer) CloseWrite() error { return nil }

func (b *slowServer) Close() error {
	b.close.Do(func() { close(b.closed) })
	return nil
}

// TestLastWordsOfAClientArrive: what a client has sent before it left reaches
// the server, as it would without a gateway in between.
func TestLastWordsOfAClientArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(sshserver.NewKey(t), newDirectory(), nil, discard())
		c := &client{server: s, log: discard(), intake: sshpolicy.NewIntake(s.limits.unread, "")}
		requests := make(chan *ssh.Request)
		upstream := &slowServer{leave: sync.OnceFunc(func() { close(requests) }), closed: make(chan struct{})}
		channel, err := c.intake.Accept(newChannel{channel: lastWords{text: strings.NewReader("exit")}, requests: requests})
		if err != nil {
			t.Fatal(err)
		}
		c.carry(t.Context(), devServer{DevServer: running("a.team", "10.0.0.1")}, channel, upstream)
		if got := upstream.got.String(); got != "exit" {
			t.Errorf("the server got %q, want %q", got, "exit")
		}
	})
}

func TestDrainEndsInTheEnd(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	if _, err := open(client, "a.team", 22); err != nil {
		t.Fatal(err)
	}
	w.close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if left := w.server.drain(ctx); left != 1 {
		t.Errorf("%d connections were cut off, want 1", left)
	}
	_ = client.Wait()
	if got := w.log.await(t, "session")["ended"]; got != errStopping.Error() {
		t.Errorf("the log says that the session ended because %v, want %v", got, errStopping)
	}
}
