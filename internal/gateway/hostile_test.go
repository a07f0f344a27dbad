package gateway

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/sshpolicy"
	"devserver.io/devserver/internal/testing/hangup"
	"devserver.io/devserver/internal/testing/sshserver"
)

// forged offers one user's key and signs with another's.
type forged struct{ offers, signs ssh.Signer }

func (f forged) PublicKey() ssh.PublicKey { return f.offers.PublicKey() }

func (f forged) Sign(random io.Reader, data []byte) (*ssh.Signature, error) {
	return f.signs.Sign(random, data)
}

func pending(ds *devserverv1.DevServer, message string) {
	ds.Status.Phase = devserverv1.PhasePending
	ds.Status.PodIP = ""
	ds.Status.Conditions = []metav1.Condition{{
		Type: devserverv1.ConditionReady, Status: metav1.ConditionFalse, Reason: devserverv1.ReasonUnschedulable, Message: message,
	}}
}

func TestForgedSignatureIsRefused(t *testing.T) {
	w := newWorld(t)
	alice, mallory := sshserver.NewKey(t), sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	w.put(running("m.team", "10.0.0.2", mallory))
	if _, err := w.login(t, nil, forged{offers: alice, signs: mallory}); err == nil {
		t.Fatal("mallory logged in with alice's key")
	}
}

func TestUnknownUserAndWrongKeyGetOneAnswer(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	answers := map[string]bool{}
	for _, user := range []string{"dev", "a.team", "root", "nobody"} {
		_, err := w.login(t, func(c *ssh.ClientConfig) { c.User = user }, sshserver.NewKey(t))
		if err == nil {
			t.Fatalf("user %s logged in with an unknown key", user)
		}
		answers[err.Error()] = true
		if _, err := w.login(t, func(c *ssh.ClientConfig) { c.User = user }, alice); err != nil {
			t.Errorf("user name %q: the key decides, but: %v", user, err)
		}
	}
	if len(answers) != 1 {
		t.Errorf("the answers differ: %v", answers)
	}
}

func TestOtherWaysToLogInAreNotOffered(t *testing.T) {
	w := newWorld(t)
	w.put(running("a.team", "10.0.0.1", sshserver.NewKey(t)))
	_, err := w.login(t, func(c *ssh.ClientConfig) {
		c.Auth = []ssh.AuthMethod{
			ssh.Password("guess"),
			ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil }),
		}
	})
	if err == nil || !strings.Contains(err.Error(), "attempted methods [none]") {
		t.Errorf("got %v, want a refusal of every method but publickey", err)
	}
}

func TestSignaturesWithSHA1AreRefused(t *testing.T) {
	w := newWorld(t)
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	key := signerFor(t, private)
	w.put(running("a.team", "10.0.0.1", key))
	for algorithm, want := range map[string]bool{ssh.KeyAlgoRSASHA256: true, ssh.KeyAlgoRSASHA512: true, ssh.KeyAlgoRSA: false} {
		signer, err := ssh.NewSignerWithAlgorithms(key.(ssh.AlgorithmSigner), []string{algorithm})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.login(t, nil, signer)
		if got := err == nil; got != want {
			t.Errorf("login with %s: %v, want success: %v", algorithm, err, want)
		}
	}
}

func TestOnlyServersCanBeReached(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	for _, scan := range []target{
		{Host: "127.0.0.1", Port: 22},
		{Host: "localhost", Port: 22},
		{Host: "10.0.0.1", Port: 22},
		{Host: "10.0.0.1", Port: 2222},
		{Host: "::1", Port: 22},
		{Host: "a.team", Port: 80},
		{Host: "a.team", Port: 2222},
		{Host: "a.team", Port: 65536 + 22},
		{Host: "a", Port: 22},
		{Host: "a.team.svc", Port: 22},
		{Host: "a.team.", Port: 22},
		{Host: ".team", Port: 22},
		{Host: "a.team\x00", Port: 22},
		{Host: "", Port: 22},
		{Host: strings.Repeat("a", 4096) + ".team", Port: 22},
		{Host: "kubernetes.default", Port: 443},
	} {
		_, err := open(client, scan.Host, scan.Port)
		refused := refusal(err)
		if refused == nil || refused.Reason != ssh.Prohibited || refused.Message != serversOnly {
			t.Errorf("open %.40q port %d: %v, want it prohibited", scan.Host, scan.Port, err)
		}
	}
	if _, _, err := client.OpenChannel("direct-tcpip", []byte("not a target")); refusal(err) == nil {
		t.Errorf("a malformed request was not refused: %v", err)
	}
	if diff := cmp.Diff([]string(nil), w.dials()); diff != "" {
		t.Errorf("the gateway connected somewhere (-want +got):\n%s", diff)
	}
	channel, err := open(client, "A.Team", 22) // host names have no case
	if err != nil {
		t.Fatalf("the same connection cannot reach its server: %v", err)
	}
	checkEcho(t, channel, "hello")
}

func TestServersOfOthersLookLikeNone(t *testing.T) {
	w := newWorld(t)
	alice, bob := sshserver.NewKey(t), sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	w.put(running("b.team", "10.0.0.2", bob))
	waiting := running("p.team", "", bob)
	pending(waiting, "quota")
	w.put(waiting)
	client := w.mustLogin(t, alice)
	answer := func(host string) ssh.OpenChannelError {
		_, err := open(client, host, 22)
		refused := refusal(err)
		if refused == nil {
			t.Fatalf("%s was not refused: %v", host, err)
		}
		refused.Message = strings.ReplaceAll(refused.Message, host, "SERVER")
		return *refused
	}
	none := answer("none.team")
	for _, host := range []string{"b.team", "p.team", "b.nowhere"} {
		if diff := cmp.Diff(none, answer(host)); diff != "" {
			t.Errorf("%s can be distinguished from a server that does not exist (-none +%s):\n%s", host, host, diff)
		}
	}
	if diff := cmp.Diff([]string(nil), w.dials()); diff != "" {
		t.Errorf("the gateway connected somewhere (-want +got):\n%s", diff)
	}
}

func TestOddChannelTypesAreRefused(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	for kind, want := range map[string]ssh.RejectionReason{
		"x11":                               ssh.UnknownChannelType,
		"auth-agent@openssh.com":            ssh.UnknownChannelType,
		"forwarded-tcpip":                   ssh.UnknownChannelType,
		"forwarded-streamlocal@openssh.com": ssh.UnknownChannelType,
		"tun@openssh.com":                   ssh.UnknownChannelType,
		"":                                  ssh.UnknownChannelType,
		"direct-streamlocal@openssh.com":    ssh.Prohibited,
	} {
		_, _, err := client.OpenChannel(kind, ssh.Marshal(target{"a.team", 22, "127.0.0.1", 1}))
		if refused := refusal(err); refused == nil || refused.Reason != want {
			t.Errorf("channel %q: %v, want %v", kind, err, want)
		}
	}
	for _, request := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "unheard-of"} {
		if ok, _, err := client.SendRequest(request, true, []byte("x")); ok || err != nil {
			t.Errorf("request %s: ok=%v, err=%v, want it refused and the connection alive", request, ok, err)
		}
	}
}

func TestChannelsOfOneConnectionAreBounded(t *testing.T) {
	w := newWorld(t)
	alice := sshserver.NewKey(t)
	w.put(running("a.team", "10.0.0.1", alice))
	client := w.mustLogin(t, alice)
	for i := range maxChannels {
		if _, _, err := client.OpenChannel("session", nil); err != nil {
			t.Fatalf("channel %d: %v", i, err)
		}
	}
	_, _, err := client.OpenChannel("session", nil)
	if refused := refusal(err); refused == nil || refused.Reason != ssh.ResourceShortage {
		t.Errorf("channel %d: %v, want a shortage", maxChannels, err)
	}
}

// Twice as many silent connections as may log in at once come from one address. A client
// behind that address gets in: they make room for it, the oldest first.
func TestSilentConnectionsLockNobodyOut(t *testing.T) {
	alice := sshserver.NewKey(t)
	const most = 32
	w := newWorld(t, func(s *server) { s.door = sshpolicy.NewDoor(4*most, most, sshpolicy.SiteBits) })
	w.put(running("a.team", "10.0.0.1", alice))
	var silent []net.Conn
	for range 2 * most {
		conn := dial(t, w.address)
		// The server's version shows that the connection was accepted.
		if _, err := conn.Read(make([]byte, 4)); err != nil {
			t.Fatalf("connection %d: %v", len(silent), err)
		}
		silent = append(silent, conn)
	}
	w.mustLogin(t, alice)
	closed := 0
	for _, conn := range silent {
		if hangup.Of(t, conn) {
			closed++
		}
	}
	if closed <= most {
		t.Errorf("%d silent connections were closed, want more than %d", closed, most)
	}
	w.awaitLogins(t, resultTooMany, most)
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
