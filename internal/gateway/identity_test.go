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
		"Nobody":        {reason: "a known user without a server can log in, and open nothing", change: func(c *ssh.Certificate) { c.ValidPrincipals = []string{"dave"} }, want: []string{}},
		"SourceAddress": {reason: "it comes from where it may", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "127.0.0.0/8"} }, want: []string{"a.team"}},
		"OtherAddress":  {reason: "it may come from elsewhere only", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"source-address": "10.0.0.0/8"} }},
		"Expired":       {reason: "its time is over", change: func(c *ssh.Certificate) { c.ValidBefore = uint64(time.Now().Add(-time.Minute).Unix()) }},
		"NotYet":        {reason: "its time has not come", change: func(c *ssh.Certificate) { c.ValidAfter = uint64(time.Now().Add(time.Minute).Unix()) }},
		"NoPrincipals":  {reason: "it would be everybody's", change: func(c *ssh.Certificate) { c.ValidPrincipals = nil }},
		"Host":          {reason: "a host is no person", change: func(c *ssh.Certificate) { c.CertType = ssh.HostCert }},
		"Forced":        {reason: "what it demands cannot be enforced here", change: func(c *ssh.Certificate) { c.CriticalOptions = map[string]string{"force-command": "true"} }},
		"Authority":     {reason: "anybody can create an authority", other: true},
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
				t.Errorf("%s: servers that it opens (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// A certificate proves its key too: OpenSSH offers the certificate before the key, and
// does not offer the key if the certificate is accepted.
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
		t.Errorf("the log does not name the certificate: %v", line)
	}
}

// A certificate is useless without the private half of its key.
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

// newUser is a DevServerUser.
func newUser(name, owner string, created int64, keys ...ssh.Signer) *devserverv1.DevServerUser {
	u := &devserverv1.DevServerUser{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.Unix(created, 0)}}
	u.Spec.Username, u.Spec.Owner, u.Spec.PublicKeys = name, owner, lines(keys...)
	return u
}

func TestKeysOfUsersOpenTheirServers(t *testing.T) {
	w, alice, old, bob := newWorld(t), sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	w.echo(t, "10.0.0.1")
	users := userHandler(w.server.directory)
	put := func(address, owner string) {
		ds := running(address, "10.0.0.1")
		ds.Spec.Owner = owner
		w.put(ds)
	}
	put("a.team", "alice@example.com")
	users.OnAdd(newUser("alice", "alice@example.com", 1, alice, old), false)
	users.OnAdd(newUser("usurper", "alice@example.com", 2, bob), false)
	put("late.team", "alice@example.com")
	put("b.team", "bob")

	opens := func(key ssh.Signer) []string { return addresses(w.server.directory.list(holder(key))) }
	if diff := cmp.Diff([]string{"a.team", "late.team"}, opens(alice)); diff != "" {
		t.Errorf("alice's servers (-want +got):\n%s", diff)
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

	// One of two keys is removed: the session that it opened ends.
	users.OnUpdate(nil, newUser("alice", "alice@example.com", 1, alice))
	_ = session.Wait()
	if _, err := w.login(t, nil, old); err == nil {
		t.Error("a removed key logs in")
	}
	w.mustLogin(t, alice)

	// The DevServerUser is deleted: the next oldest counts then.
	users.OnDelete(newUser("alice", "alice@example.com", 1, alice))
	if _, err := w.login(t, nil, alice); err == nil {
		t.Error("a deleted user logs in")
	}
	if diff := cmp.Diff([]string{"a.team", "late.team"}, opens(bob)); diff != "" {
		t.Errorf("servers of the DevServerUser that counts now (-want +got):\n%s", diff)
	}
}

// A user without a DevServer can log in too.
func TestAUserWithoutAServerIsGreeted(t *testing.T) {
	w, alice := newWorld(t), sshserver.NewKey(t)
	userHandler(w.server.directory).OnAdd(newUser("alice", "alice@example.com", 1, alice), false)
	session, err := w.mustLogin(t, alice).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	output, err := session.Output("")
	if err == nil && !strings.Contains(string(output), "Your key opens no DevServer.") {
		t.Errorf("got %q, want that it opens none", output)
	}
	if !strings.Contains(string(output), "You are alice@example.com, with the key SHA256:") {
		t.Errorf("got %q (%v), want the owner and the key", output, err)
	}
}

// The commands that the gateway shows have its address, if it knows it.
func TestCommandsNameTheGateway(t *testing.T) {
	cases := map[string]struct {
		flag        string
		status      *devserverv1.SSHGateway
		login, list string
	}{
		"Unknown":      {"", nil, "ssh -J GATEWAY dev@a.team", "ssh GATEWAY list"},
		"Flag":         {"gw.example.com:2022", &devserverv1.SSHGateway{Host: "other"}, "ssh -J gw.example.com:2022 dev@a.team", "ssh -p 2022 gw.example.com list"},
		"FlagPort22":   {"gw.example.com:22", nil, "ssh -J gw.example.com dev@a.team", "ssh gw.example.com list"},
		"FlagHost":     {"gw.example.com", nil, "ssh -J gw.example.com dev@a.team", "ssh gw.example.com list"},
		"Status":       {"", &devserverv1.SSHGateway{Host: "192.0.2.1", Port: 30022}, "ssh -J 192.0.2.1:30022 dev@a.team", "ssh -p 30022 192.0.2.1 list"},
		"StatusPort22": {"", &devserverv1.SSHGateway{Host: "gw.example.com", Port: 22}, "ssh -J gw.example.com dev@a.team", "ssh gw.example.com list"},
		"StatusIPv6":   {"", &devserverv1.SSHGateway{Host: "2001:db8::1", Port: 30022}, "ssh -J [2001:db8::1]:30022 dev@a.team", "ssh -p 30022 2001:db8::1 list"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w, alice := newWorld(t, func(s *server) { s.address = tc.flag }), sshserver.NewKey(t)
			ds := running("a.team", "10.0.0.1", alice)
			ds.Status.SSH = &devserverv1.SSHStatus{Gateway: tc.status}
			w.put(ds)
			s := &session{client: &client{server: w.server, who: holder(alice)}}
			if got := s.loginLine("a.team"); got != tc.login {
				t.Errorf("got %q, want %q", got, tc.login)
			}
			if got := s.commandLine("list"); got != tc.list {
				t.Errorf("got %q, want %q", got, tc.list)
			}
		})
	}
}

// A panic of the gateway ends one connection only.
func TestAPanicEndsOneConnection(t *testing.T) {
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
	if line := w.log.await(t, "panic"); line["doing"] != "serving a channel" {
		t.Errorf("the log says %v", line)
	}
}
