package sshd

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// forged offers one key and signs with another.
type forged struct {
	ssh.Signer
	offered ssh.PublicKey
}

func (f forged) PublicKey() ssh.PublicKey { return f.offered }

func TestSignatureOfAnotherKeyIsRefused(t *testing.T) {
	ts := serve(t, nil)
	stranger := newSigner(t)
	attempts := map[string]ssh.Signer{
		"offers the authorised key, signs with its own": forged{stranger, ts.key.PublicKey()},
		"offers its own key, signs with the authorised": forged{ts.key, stranger.PublicKey()},
	}
	for name, signer := range attempts {
		t.Run(name, func(t *testing.T) {
			client, err := ssh.Dial("tcp", ts.address, ts.config("dev", ssh.PublicKeys(signer)))
			if err == nil {
				client.Close()
				t.Error("logged in")
			}
		})
	}
}

// A client may offer many keys but prove only one. The connection belongs to
// that one, even if the server looked up another one last.
func TestConnectionBelongsToTheVerifiedKey(t *testing.T) {
	ts := serve(t, nil)
	other := newSigner(t)
	ts.authorize(ts.key, other)
	// The first signer fails to sign after its key was accepted.
	silent := failingSigner{other}
	client, err := ssh.Dial("tcp", ts.address, ts.config("dev", ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
		return []ssh.Signer{ts.key, silent}, nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ts.await("the connection", func() bool { return len(ts.server.connections()) == 1 })
	if got := ts.server.connections()[0].key.Marshal(); !bytes.Equal(got, ts.key.PublicKey().Marshal()) {
		t.Error("the connection belongs to another key than the one that signed")
	}
	// Revoking the key that was only offered changes nothing. Revoking the
	// verified key ends the connection.
	ts.authorize(ts.key)
	if _, _, err := client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
		t.Fatalf("revoking a key that was only offered ended the connection: %v", err)
	}
	ts.authorize(other)
	if err := client.Wait(); err == nil {
		t.Error("no error")
	}
	ts.waitLog("no longer authorised")
}

type failingSigner struct{ ssh.Signer }

func (failingSigner) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	return nil, errors.New("no")
}

// transcript returns everything that a client learns from a refused login.
func (ts *testServer) transcript(user string, auth ssh.AuthMethod) string {
	ts.t.Helper()
	var banners []string
	config := ts.config(user, auth)
	config.BannerCallback = func(message string) error {
		banners = append(banners, message)
		return nil
	}
	client, err := ssh.Dial("tcp", ts.address, config)
	if err == nil {
		client.Close()
		ts.t.Fatal("logged in")
	}
	return err.Error() + strings.Join(banners, "\n")
}

func TestUnknownUserAndWrongKeyGetTheSameAnswer(t *testing.T) {
	ts := serve(t, nil)
	stranger := newSigner(t)
	want := ts.transcript("dev", ssh.PublicKeys(stranger))
	for _, user := range []string{"nobody", "", "Dev", "dev ", "dev\x00", strings.Repeat("x", 5000)} {
		if got := ts.transcript(user, ssh.PublicKeys(stranger)); got != want {
			t.Errorf("user %.10q with a wrong key: got %q, want %q as for the right user", user, got, want)
		}
		if got := ts.transcript(user, ssh.PublicKeys(ts.key)); got != want {
			t.Errorf("user %.10q with an authorised key: got %q, want %q as for a wrong key", user, got, want)
		}
	}
	// Only root gets a different answer, and it does not depend on the key.
	if a, b := ts.transcript("root", ssh.PublicKeys(stranger)), ts.transcript("root", ssh.PublicKeys(ts.key)); a != b || !strings.Contains(a, "no root login") {
		t.Errorf("root with a wrong and an authorised key: got %q and %q, want the same banner", a, b)
	}
}

// The time of an answer must not reveal whether a user exists. This test checks
// that the server does the same work, because timings are not reliable.
func TestUnknownUserCostsTheSameWork(t *testing.T) {
	ts := serve(t, nil)
	lookedUp := func(user string) bool {
		attempt := &login{server: ts.server}
		_, err := attempt.offer(fakeMetadata{user: user}, ts.key.PublicKey())
		if (err == nil) != (user == "dev") {
			t.Errorf("user %q: %v", user, err)
		}
		return attempt.offered != ""
	}
	if !lookedUp("dev") || !lookedUp("nobody") {
		t.Error("the key of an unknown user is not looked up")
	}
}

type fakeMetadata struct {
	ssh.ConnMetadata
	user string
}

func (f fakeMetadata) User() string { return f.user }

func TestOtherMethodsAreRefused(t *testing.T) {
	ts := serve(t, nil)
	methods := map[string]ssh.AuthMethod{
		"password": ssh.Password("secret"),
		"keyboard": ssh.KeyboardInteractive(func(string, string, []string, []bool) ([]string, error) { return nil, nil }),
	}
	for name, method := range methods {
		t.Run(name, func(t *testing.T) {
			if got := ts.transcript("dev", method); !strings.Contains(got, "attempted methods [none]") {
				t.Errorf("the server supports it: %s", got)
			}
		})
	}
	if client, err := ssh.Dial("tcp", ts.address, ts.config("dev")); err == nil {
		client.Close()
		t.Error("logged in without authenticating")
	}
}

func TestTooManyKeysEndTheConnection(t *testing.T) {
	ts := serve(t, nil)
	var signers []ssh.Signer
	for range ts.server.sshConfig.MaxAuthTries + 1 {
		signers = append(signers, newSigner(t))
	}
	signers = append(signers, ts.key)
	if got := ts.transcript("dev", ssh.PublicKeys(signers...)); !strings.Contains(got, "too many authentication failures") {
		t.Errorf("got %q, want too many authentication failures", got)
	}
}

func TestKeyFile(t *testing.T) {
	ts := serve(t, nil)
	a, b := newSigner(t), newSigner(t)
	contains := func(key ssh.Signer) bool {
		t.Helper()
		found, err := ts.server.keys.contains(key.PublicKey())
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	line := func(key ssh.Signer) string { return string(ssh.MarshalAuthorizedKey(key.PublicKey())) }
	tests := map[string]struct {
		text         string
		wantA, wantB bool
	}{
		"both":           {line(a) + line(b), true, true},
		"one":            {line(b), false, true},
		"none":           {"", false, false},
		"comments":       {"# me\n\n   " + line(a) + "#" + line(b), true, false},
		"CRLF":           {strings.ReplaceAll(line(a)+line(b), "\n", "\r\n"), true, true},
		"no line break":  {strings.TrimSpace(line(a)), true, false},
		"options":        {`command="x" ` + line(a) + line(b), false, true},
		"garbage before": {"\x00\xff garbage\n" + line(b), false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			// Written in place, as some editors do.
			if err := os.WriteFile(ts.keys, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if contains(a) != test.wantA || contains(b) != test.wantB {
				t.Errorf("a %v, b %v, want %v, %v", contains(a), contains(b), test.wantA, test.wantB)
			}
		})
	}
	if err := os.Remove(ts.keys); err != nil {
		t.Fatal(err)
	}
	if found, err := ts.server.keys.contains(a.PublicKey()); found || err == nil {
		t.Errorf("without a file: %v, %v", found, err)
	}
}

// TestKeyFileEditedTwiceInAMoment: after two edits in place, the file may have
// the same size and, because the file system's clock is coarse, the same time.
func TestKeyFileEditedTwiceInAMoment(t *testing.T) {
	ts := serve(t, nil)
	second := newSigner(t)
	edit := func(key ssh.Signer) {
		t.Helper()
		if err := os.WriteFile(ts.keys, ssh.MarshalAuthorizedKey(key.PublicKey()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantOnly := func(want, other ssh.Signer) {
		t.Helper()
		for key, want := range map[ssh.Signer]bool{want: true, other: false} {
			if found, err := ts.server.keys.contains(key.PublicKey()); err != nil || found != want {
				t.Errorf("found %v, %v, want %v", found, err, want)
			}
		}
	}
	edit(ts.key)
	wantOnly(ts.key, second)
	edit(second)
	wantOnly(second, ts.key)
}

// TestPushedKeys: pushed keys count until the file has other keys that are not
// older than the push.
func TestPushedKeys(t *testing.T) {
	ts := serve(t, nil)
	keys := ts.server.keys
	now := time.Now()
	keys.now = func() time.Time { return now }
	signers := map[string]ssh.Signer{"a": newSigner(t), "b": newSigner(t), "c": newSigner(t)}
	text := func(name string) []byte { return ssh.MarshalAuthorizedKey(signers[name].PublicKey()) }
	file := func(name string) {
		t.Helper()
		if err := os.WriteFile(ts.keys, text(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when, name string) {
		t.Helper()
		for other, key := range signers {
			if found, err := keys.contains(key.PublicKey()); err != nil || found != (other == name) {
				t.Errorf("%s: key %s: %v, %v; want only %s", when, other, found, err, name)
			}
		}
	}
	file("a")
	want("at first", "a")
	keys.push(text("b"))
	want("after a push", "b")
	file("a")
	want("when the old file is written again", "b")
	file("b")
	want("when the file has caught up", "b")
	file("c")
	want("when the file is newer", "c")
	file("a") // not read before the next push
	keys.push(text("b"))
	want("after a push over an unread file", "b")
	file("c")
	want("when the file has keys that a push replaced", "b")
	keys.push(text("a"))
	want("after another push", "a")
	keys.push(text("c"))
	want("when the file's keys are pushed again", "c")
	file("a")
	want("while the file may lag", "c")
	now = now.Add(lag)
	want("when the file can no longer lag", "a")
}

// TestPushCutsOff: a push takes effect at once, not at the next check of the file.
func TestPushCutsOff(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.KeysInterval = patience })
	client := ts.dial()
	ts.server.SetAuthorizedKeys(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey()))
	if err := client.Wait(); err == nil {
		t.Error("no error")
	}
	ts.waitLog("no longer authorised")
}

// A key can be revoked after the login and before the first channel of the
// connection. No channel is opened then.
func TestRevokedConnectionOpensNothing(t *testing.T) {
	ts := serve(t, func(cfg *Config) { cfg.KeysInterval = patience })
	client := ts.dial()
	// Before it logs this, the server checks the key once more, and a key that is
	// revoked by then gets no reason.
	ts.waitLog("login accepted")
	ts.authorize(newSigner(t))
	session, err := client.NewSession()
	if err == nil {
		session.Close()
		t.Error("a session was opened")
	}
	// The reason arrives before the connection ends.
	if refused, ok := errors.AsType[*ssh.OpenChannelError](err); !ok || refused.Message != errRevoked.Error() {
		t.Errorf("the session is refused with %v, want %v", err, errRevoked)
	}
	if err := client.Wait(); err == nil {
		t.Error("no error")
	}
	ts.waitLog("no longer authorised")
}

func TestHostKeyMustBeEd25519(t *testing.T) {
	_, err := New(Config{HostKey: rsaSigner{newSigner(t)}})
	if err == nil || !strings.Contains(err.Error(), "ed25519") {
		t.Errorf("error %v", err)
	}
}

type rsaSigner struct{ ssh.Signer }

func (r rsaSigner) PublicKey() ssh.PublicKey { return rsaPublic{r.Signer.PublicKey()} }

type rsaPublic struct{ ssh.PublicKey }

func (rsaPublic) Type() string { return ssh.KeyAlgoRSA }

func TestManyHandshakesAtOnce(t *testing.T) {
	ts := serve(t, nil)
	const clients = 40 // all from one address
	var started, logins sync.WaitGroup
	started.Add(clients)
	for range clients {
		logins.Go(func() {
			nc, err := net.Dial("tcp", ts.address)
			if err != nil {
				t.Error(err)
				started.Done()
				return
			}
			// All clients connect before the first one authenticates.
			started.Done()
			started.Wait()
			sc, _, _, err := ssh.NewClientConn(nc, ts.address, ts.config("dev", ssh.PublicKeys(ts.key)))
			if err != nil {
				t.Error(err)
				return
			}
			sc.Close()
		})
	}
	logins.Wait()
}
