package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/testing/sshserver"
)

// place makes a home directory with files in its .ssh, and no agent.
func place(t *testing.T, files map[string]string) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	for name, text := range files {
		file := filepath.Join(home, ".ssh", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func public(key ssh.PublicKey, comment string) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + comment
}

func ed25519Line(t *testing.T) string { return public(sshserver.NewKey(t).PublicKey(), "") }

func ecdsaKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return private
}

func publicOf(t *testing.T, key any) string {
	t.Helper()
	k, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return public(k, "")
}

// serveAgent is an SSH agent with a key.
func serveAgent(t *testing.T, private any, comment string) {
	t.Helper()
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: private, Comment: comment}); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "agent")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = agent.ServeAgent(ring, conn) // It ends with the client.
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
}

func find(t *testing.T, o Options) (lines []string) {
	t.Helper()
	found, err := Find(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range found {
		lines = append(lines, k.Line)
	}
	return lines
}

func TestOwnKeysBestFirst(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ed, old := ed25519Line(t), publicOf(t, rsaKey.Public())
	place(t, map[string]string{
		"id_rsa.pub": old, "id_ed25519.pub": ed, "id_dsa.pub": "ssh-dss AAAA",
		"id_ecdsa.pub": "ecdsa-sha2-nistp256 broken", "other.pub": ed25519Line(t),
		// Nobody looks into it.
		"id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----",
	})
	if diff := cmp.Diff([]string{ed, old}, find(t, Options{})); diff != "" {
		t.Errorf("without an agent (-want +got):\n%s", diff)
	}
	inAgent := ecdsaKey(t)
	serveAgent(t, inAgent, "ann's\tphone")
	want := []string{ed, publicOf(t, inAgent.Public()) + " ann's phone", old}
	if diff := cmp.Diff(want, find(t, Options{})); diff != "" {
		t.Errorf("with an agent (-want +got):\n%s", diff)
	}
	serveAgent(t, rsaKey, "the same as the file")
	found, err := Find(t.Context(), Options{})
	if err != nil || len(found) != 2 {
		t.Errorf("a key that is in the agent and in a file: %v, %v", found, err)
	}
}

func TestNoKey(t *testing.T) {
	place(t, nil)
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(t.TempDir(), "gone"))
	if _, err := Find(t.Context(), Options{}); exit.Code(err) != exit.Refused || !strings.Contains(err.Error(), "ssh-keygen -t ed25519") {
		t.Errorf("got %v, want how to come by a key", err)
	}
}

func TestFiles(t *testing.T) {
	one, two := ed25519Line(t), ed25519Line(t)
	home := place(t, map[string]string{
		"one.pub": one + "\n", "one": "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret", "plain": two,
		"both": "# of ann\n" + one + " laptop\r\n\n" + two + "\n", "lone": "-----BEGIN RSA PRIVATE KEY-----\nsecret",
		"empty.pub": "\n", "options.pub": `command="rm" ` + one, "text.pub": "hello",
	})
	at := func(name string) string { return filepath.Join(home, ".ssh", name) }
	for file, want := range map[string][]string{
		at("one.pub"): {one}, at("one"): {one}, "~/.ssh/one": {one}, at("plain"): {two}, at("both"): {one + " laptop", two},
	} {
		if diff := cmp.Diff(want, find(t, Options{Files: []string{file}})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
	if diff := cmp.Diff([]string{one, two}, find(t, Options{Files: []string{at("one"), at("plain"), at("one.pub")}})); diff != "" {
		t.Errorf("several (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{
		at("lone"): "is a private key", at("empty.pub"): "is empty", at("options.pub"): "options before its type",
		at("text.pub"): "not a public key", at("none"): "does not exist", home: "is a directory",
	} {
		_, err := Find(t.Context(), Options{Files: []string{file}})
		if exit.Code(err) != exit.Refused || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", file, err, want)
		}
	}
}

func TestGitHub(t *testing.T) {
	one, two := ed25519Line(t), ed25519Line(t)
	many := make([]string, most+1)
	for i := range many {
		many[i] = ed25519Line(t)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/at/ann.keys":
			_, _ = w.Write([]byte(one + "\r\nssh-dss AAAA\n" + two)) // The client would notice.
		case "/at/many.keys":
			_, _ = w.Write([]byte(strings.Join(many, "\n")))
		case "/at/down.keys":
			w.WriteHeader(http.StatusBadGateway)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(server.Close)
	o := Options{GitHub: []string{"ann"}, GitHubURL: server.URL + "/at/", HTTP: server.Client()}
	if diff := cmp.Diff([]string{one, two}, find(t, o)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.HTTP = nil
	if _, err := Find(t.Context(), o); exit.Code(err) != exit.Failed || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that nobody vouches for: %v", err)
	}
	for user, want := range map[string]string{"many": "66 keys were found", "down": "the answer was 502 Bad Gateway", "nobody": "the user does not exist", "a/b": "not the name of a GitHub user", "": "not the name"} {
		o := Options{GitHub: []string{user}, GitHubURL: server.URL + "/at", HTTP: server.Client()}
		if _, err := Find(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", user, err, want)
		}
	}
	for _, base := range []string{"http://github.com", "github.com", "https://", "https://u:p@github.com", "https://github.com?x=y", "file:///etc"} {
		if _, err := githubAddress(base, "ann"); err == nil {
			t.Errorf("%s is taken for an address", base)
		}
	}
}

func TestSame(t *testing.T) {
	one, two := ed25519Line(t), ed25519Line(t)
	if !Same(one, one+" laptop") || Same(one, two) || Same(one, "x") || Same("x", "x") {
		t.Error("keys are compared by something else than the key")
	}
}
