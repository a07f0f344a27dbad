package gateway

import (
	"context"
	"crypto/rand"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/testing/sshserver"
)

// certified is a signer with a certificate of authority for key.
func certified(t *testing.T, authority, key ssh.Signer, change func(*ssh.Certificate)) ssh.Signer {
	t.Helper()
	c := &ssh.Certificate{
		Key: key.PublicKey(), CertType: ssh.UserCert, KeyId: "alice's laptop", Serial: 7,
		ValidPrincipals: []string{"alice@example.com"},
		ValidAfter:      uint64(time.Now().Add(-time.Hour).Unix()), ValidBefore: uint64(time.Now().Add(time.Hour).Unix()),
	}
	if change != nil {
		change(c)
	}
	if err := c.SignCert(rand.Reader, authority); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewCertSigner(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func TestCertificates(t *testing.T) {
	cases := map[string]struct {
		reason string
		change func(*ssh.Certificate)
		other  bool // another authority signs it
		want   []string
	}{
		"Owner":         {reason: "its principal names the owner", want: []string{"a.team"}},
		"Principals":    {reason: "it may name several", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"bob", "carol"} }, want: []string{"b.team"}},
		"Nobody":        {reason: "who is known and has no box gets in, and no further", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"dave"} }, want: []string{}},
		"SourceAddress": {reason: "it comes from where it may", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "127.0.0.0/8"} }, want: []string{"a.team"}},
		"OtherAddress":  {reason: "it may come from elsewhere only", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} }},
		"Expired":       {reason: "its time is over", change: func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) }},
		"NotYet":        {reason: "its time has not come", change: func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Minute).Unix()) }},
		"NoPrincipals":  {reason: "it would be everybody's", change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
		"Host":          {reason: "a host is no person", change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }},
		"Forced":        {reason: "what it demands cannot be enforced here", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} }},
		"Authority":     {reason: "anybody can have an authority", other: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			authority := sshserver.NewKey(t)
			w := newWorld(t, func(s *server) { s.authorities.Store(&authorities{string(authority.PublicKey().Marshal()): true}) })
			for address, owner := range map[string]string{"a.team": "alice@example.com", "b.team": "bob"} {
				ds := running(address, "10.0.0.1")
				ds.Spec.Owner = owner
				w.put(ds)
			}
			w.echo(t, "10.0.0.1")
			if tc.other {
				authority = sshserver.NewKey(t)
			}
			client, err := w.login(t, nil, certified(t, authority, sshserver.NewKey(t), tc.change))
			if tc.want == nil {
				if err == nil {
					t.Errorf("%s: it logs in", tc.reason)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			opened := []string{}
			for _, address := range []string{"a.team", "b.team"} {
				if _, err := open(client, address, 22); err == nil {
					opened = append(opened, address)
				}
			}
			if diff := cmp.Diff(tc.want, opened); diff != "" {
				t.Errorf("%s: boxes that it opens (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A certificate proves its key as well: OpenSSH offers it before the key, and
// goes no further when it is taken.
func TestACertificateOpensWhatItsKeyOpens(t *testing.T) {
	authority, alice := sshserver.NewKey(t), sshserver.NewKey(t)
	w := newWorld(t, func(s *server) { s.authorities.Store(&authorities{string(authority.PublicKey().Marshal()): true}) })
	w.echo(t, "10.0.0.1")
	w.put(running("shared.team", "10.0.0.1", alice))
	client, err := w.login(t, nil, certified(t, authority, alice, nil))
	if err != nil {
		t.Fatal(err)
	}
	channel, err := open(client, "shared.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	_ = channel.Close()
	if line := w.log.await(t, "session"); line["certificate"] != `"alice's laptop" serial 7` || line["owner"] != "alice@example.com" {
		t.Errorf("the audit does not say whose certificate it was: %v", line)
	}
}

// A certificate of one key does not help who has another.
func TestAForgedCertificateIsRefused(t *testing.T) {
	authority, alice, mallory := sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	w := newWorld(t, func(s *server) { s.authorities.Store(&authorities{string(authority.PublicKey().Marshal()): true}) })
	ds := running("a.team", "10.0.0.1")
	ds.Spec.Owner = "alice@example.com"
	w.put(ds)
	stolen := certified(t, authority, alice, nil)
	if _, err := w.login(t, nil, forged{offers: stolen, signs: mallory}); err == nil {
		t.Error("mallory logged in with alice's certificate")
	}
	if _, err := w.login(t, nil, stolen); err != nil {
		t.Errorf("alice: %v", err)
	}
}

// user is a DevServerUser.
func user(name, owner string, created int64, keys ...ssh.Signer) *devserverv1.DevServerUser {
	u := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(created, 0)}}
	u.Spec.Username, u.Spec.Owner, u.Spec.PublicKeys = name, owner, lines(keys...)
	return u
}

func TestKeysOfPeopleOpenTheirBoxes(t *testing.T) {
	w, alice, old, bob := newWorld(t), sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	people := personHandler(w.server.directory)
	put := func(address, owner string) {
		ds := running(address, "10.0.0.1")
		ds.Spec.Owner = owner
		w.put(ds)
	}
	put("a.team", "alice@example.com")
	people.OnAdd(user("alice", "alice@example.com", 1, alice, old), false)
	people.OnAdd(user("usurper", "alice@example.com", 2, bob), false)
	put("late.team", "alice@example.com")
	put("b.team", "bob")

	opens := func(key ssh.Signer) []string { return addresses(w.server.directory.list(holder(key))) }
	if diff := cmp.Diff([]string{"a.team", "late.team"}, opens(alice)); diff != "" {
		t.Errorf("alice's boxes (-want +got):\n%s", diff)
	}
	if got := opens(bob); len(got) > 0 {
		t.Errorf("the younger of two DevServerUsers of an owner opens %v", got)
	}
	session := w.mustLogin(t, old)
	channel, err := open(session, "a.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	checkEcho(t, channel, "mine")

	// Of two keys, one is taken out: who logged in with it is cut off.
	people.OnUpdate(nil, user("alice", "alice@example.com", 1, alice))
	_ = session.Wait()
	if _, err := w.login(t, nil, old); err == nil {
		t.Error("a key that was taken out logs in")
	}
	w.mustLogin(t, alice)

	// Off-boarding: the next oldest counts then.
	people.OnDelete(user("alice", "alice@example.com", 1, alice))
	if _, err := w.login(t, nil, alice); err == nil {
		t.Error("a person who is gone logs in")
	}
	if diff := cmp.Diff([]string{"a.team", "late.team"}, opens(bob)); diff != "" {
		t.Errorf("boxes of the DevServerUser that counts now (-want +got):\n%s", diff)
	}
}

// A person without a DevServer is somebody all the same.
func TestAPersonWithoutABoxIsGreeted(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	personHandler(w.server.directory).OnAdd(user("alice", "alice@example.com", 1, alice), false)
	session, err := w.mustLogin(t, alice).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	said, err := session.Output("")
	if err == nil && !strings.Contains(string(said), "There is no DevServer") {
		t.Errorf("got %q, want that there is none", said)
	}
	if !strings.Contains(string(said), "You are alice@example.com, with the key SHA256:") {
		t.Errorf("got %q (%v), want who it is", said, err)
	}
}

// The lines to type have the gateway's address, where it is known.
func TestTheLineToTypeNamesTheGateway(t *testing.T) {
	cases := map[string]struct {
		told   string
		status *devserverv1.SSHGateway
		want   string
	}{
		"Unknown":      {"", nil, "ssh -J GATEWAY dev@a.team"},
		"Told":         {"gw.example.com:2022", &devserverv1.SSHGateway{Host: "other"}, "ssh -J gw.example.com:2022 dev@a.team"},
		"ToldPort22":   {"gw.example.com:22", nil, "ssh -J gw.example.com dev@a.team"},
		"Status":       {"", &devserverv1.SSHGateway{Host: "192.0.2.1", Port: 30022}, "ssh -J 192.0.2.1:30022 dev@a.team"},
		"StatusPort22": {"", &devserverv1.SSHGateway{Host: "gw.example.com", Port: 22}, "ssh -J gw.example.com dev@a.team"},
		"StatusIPv6":   {"", &devserverv1.SSHGateway{Host: "2001:db8::1", Port: 30022}, "ssh -J [2001:db8::1]:30022 dev@a.team"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, alice := newWorld(t, func(s *server) { s.address = tc.told }), sshserver.NewKey(t)
			ds := running("a.team", "10.0.0.1", alice)
			ds.Status.SSH = &devserverv1.SSHStatus{Gateway: tc.status}
			w.put(ds)
			who := &talk{client: &client{server: w.server, who: holder(alice)}}
			if got := who.line("a.team"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// One connection in which a fault of the gateway shows does not take the others
// along.
func TestAFaultEndsOneConnection(t *testing.T) {
	w := newWorld(t, func(s *server) {
		dial := s.dial
		s.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "10.0.0.1:") {
				panic("a fault")
			}
			return dial(ctx, network, address)
		}
	})
	alice, bob := sshserver.NewKey(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.2")
	w.put(running("a.team", "10.0.0.1", alice))
	w.put(running("b.team", "10.0.0.2", bob))
	ill, well := w.mustLogin(t, alice), w.mustLogin(t, bob)
	channel, err := open(well, "b.team", 22)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(ill, "a.team", 22); err == nil {
		t.Error("the channel was opened")
	}
	_ = ill.Wait()
	checkEcho(t, channel, "still here")
	if line := w.log.await(t, "a fault of the gateway"); line["doing"] != "serving a channel" {
		t.Errorf("the log says %v", line)
	}
}
