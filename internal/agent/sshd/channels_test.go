package sshd

import (
	"errors"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/testing/port"
)

func TestChannelsThatAreRefused(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	type target struct {
		Host       string
		Port       uint32
		Origin     string
		OriginPort uint32
	}
	closed, err := net.ResolveTCPAddr("tcp", port.Refusing(t))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		kind    string
		payload []byte
		reason  ssh.RejectionReason
		text    string
	}{
		{"x11", nil, ssh.UnknownChannelType, "does not support"},
		{"tun@openssh.com", nil, ssh.UnknownChannelType, "does not support"},
		{"forwarded-tcpip", nil, ssh.UnknownChannelType, "does not support"},
		{"auth-agent@openssh.com", nil, ssh.UnknownChannelType, "does not support"},
		{"", nil, ssh.UnknownChannelType, "does not support"},
		{"direct-tcpip", nil, ssh.ConnectionFailed, "malformed"},
		{"direct-tcpip", ssh.Marshal(target{"127.0.0.1", 1 << 16, "", 0}), ssh.ConnectionFailed, "malformed"},
		{"direct-tcpip", ssh.Marshal(target{"127.0.0.1", uint32(closed.Port), "", 0}), ssh.ConnectionFailed, "refused"},
		{"direct-streamlocal@openssh.com", nil, ssh.ConnectionFailed, "malformed"},
		{"direct-streamlocal@openssh.com", ssh.Marshal(struct {
			Path, Reserved string
			Unused         uint32
		}{"no-such-socket", "", 0}), ssh.ConnectionFailed, "no such file"},
	}
	for _, test := range tests {
		channel, _, err := client.OpenChannel(test.kind, test.payload)
		if err == nil {
			channel.Close()
			t.Errorf("%s was opened", test.kind)
			continue
		}
		var refused *ssh.OpenChannelError
		if !errors.As(err, &refused) || refused.Reason != test.reason || !strings.Contains(refused.Message, test.text) {
			t.Errorf("%s: %v, want %v with %q", test.kind, err, test.reason, test.text)
		}
	}
}

func TestNoMoreSessions(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	first := ts.session(client)
	if ok, _, err := client.SendRequest(noMoreSessions, true, nil); err != nil || !ok {
		t.Fatalf("%v, %v", ok, err)
	}
	if session, err := client.NewSession(); err == nil {
		session.Close()
		t.Error("one more session was opened")
	}
	if out, err := first.Output("echo first"); err != nil || string(out) != "first\n" {
		t.Errorf("the session before: %q, %v", out, err)
	}
}

// OpenSSH's client opens its session and immediately sends no-more-sessions. The
// server may find both waiting, and must open the session first.
func TestSessionBeforeNoMoreSessionsIsOpened(t *testing.T) {
	ts := serve(t, nil)
	for range 100 {
		opened := &fakeChannel{accepted: make(chan bool, 1)}
		channels := make(chan ssh.NewChannel, 1)
		requests := make(chan *ssh.Request, 1)
		channels <- opened
		requests <- &ssh.Request{Type: noMoreSessions}
		close(channels)
		close(requests)
		c := &conn{server: ts.server, key: ts.key.PublicKey()}
		c.dispatch(channels, requests)
		if !<-opened.accepted {
			t.Fatal("the session was refused")
		}
	}
}

// fakeChannel is a request to open a session.
type fakeChannel struct{ accepted chan bool }

func (f *fakeChannel) Accept() (ssh.Channel, <-chan *ssh.Request, error) {
	f.accepted <- true
	return nil, nil, errors.New("not supported by this test")
}

func (f *fakeChannel) Reject(ssh.RejectionReason, string) error {
	f.accepted <- false
	return nil
}

func (f *fakeChannel) ChannelType() string { return "session" }
func (f *fakeChannel) ExtraData() []byte   { return nil }

func TestGlobalRequestsThatAreRefused(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	requests := map[string][]byte{
		"no-such-request":                        nil,
		"tcpip-forward":                          nil,
		"tcpip-forward ":                         ssh.Marshal(tcpForward{"", uint32(taken.Addr().(*net.TCPAddr).Port)}),
		"cancel-tcpip-forward":                   ssh.Marshal(tcpForward{"localhost", 1}),
		"streamlocal-forward@openssh.com":        ssh.Marshal(unixForward{""}),
		"streamlocal-forward@openssh.com ":       ssh.Marshal(unixForward{"no/such/folder/socket"}),
		"cancel-streamlocal-forward@openssh.com": ssh.Marshal(unixForward{"nowhere"}),
	}
	for name, payload := range requests {
		ok, _, err := client.SendRequest(strings.TrimSpace(name), true, payload)
		if err != nil || ok {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

func TestRemoteForwardsEndWithTheirConnection(t *testing.T) {
	ts := serve(t, nil)
	client := ts.dial()
	listener, err := client.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	probe := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}
	nc, err := net.DialTCP("tcp", nil, probe)
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	client.Close()
	ts.await("the port to be closed", func() bool {
		nc, err := net.DialTCP("tcp", nil, probe)
		if err == nil {
			nc.Close()
		}
		return err != nil
	})
}

// A panic in one channel is logged, and the server keeps serving.
func TestPanicIsSurvived(t *testing.T) {
	ts := serve(t, nil)
	func() {
		defer ts.server.survive("test")
		var c *conn
		c.cut("a nil pointer")
	}()
	ts.waitLog("recovered from a panic")
	if err := ts.session(ts.dial()).Run("true"); err != nil {
		t.Error(err)
	}
}
