package gateway

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/testing/sshserver"
)

// caFile is a file of authorities that a gateway follows.
type caFile struct {
	*world
	path  string
	ticks chan time.Time
}

func (f *caFile) write(t *testing.T, content string) {
	t.Helper()
	if err := os.WriteFile(f.path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read has the gateway read the file. The second tick is taken only once the
// first has been dealt with.
func (f *caFile) read() {
	f.ticks <- time.Time{}
	f.ticks <- time.Time{}
}

func newCAFile(t *testing.T) *caFile {
	t.Helper()
	f := &caFile{world: newWorld(t), path: filepath.Join(t.TempDir(), "ca"), ticks: make(chan time.Time)}
	f.write(t, "")
	go f.server.followAuthorities(t.Context(), f.path, f.ticks)
	return f
}

// An authority is replaced in two steps: first both are trusted, then only the new
// one. Clients whose authority is trusted throughout stay connected.
func TestAnAuthorityIsReplaced(t *testing.T) {
	former, latter, alice := sshserver.NewKey(t), sshserver.NewKey(t), sshserver.NewKey(t)
	f := newCAFile(t)
	f.echo(t, "10.0.0.1")
	f.put(running("a.team", "10.0.0.1", alice))
	plain := openServer(t, f.mustLogin(t, alice), "a.team")
	sessions := map[ssh.Signer]ssh.Channel{}
	for _, step := range []struct{ trusted, in, out []ssh.Signer }{
		{trusted: []ssh.Signer{former}, in: []ssh.Signer{former}, out: []ssh.Signer{latter}},
		{trusted: []ssh.Signer{former, latter}, in: []ssh.Signer{former, latter}},
		{trusted: []ssh.Signer{latter}, in: []ssh.Signer{latter}, out: []ssh.Signer{former}},
		{out: []ssh.Signer{former, latter}},
	} {
		f.write(t, strings.Join(lines(step.trusted...), "\n"))
		f.read()
		for _, authority := range step.out {
			if _, err := f.login(t, nil, certified(t, authority, alice, nil)); err == nil {
				t.Errorf("with %d authorities in the file, a certificate of another one logs in", len(step.trusted))
			}
			if session := sessions[authority]; session != nil {
				if _, err := session.Read(make([]byte, 1)); err == nil {
					t.Error("a session continues although its authority was removed")
				}
			}
		}
		for _, authority := range step.in {
			client, err := f.login(t, nil, certified(t, authority, alice, nil))
			if err != nil {
				t.Fatalf("with %d authorities in the file: %v", len(step.trusted), err)
			}
			if sessions[authority] == nil {
				sessions[authority] = openServer(t, client, "a.team")
			}
			checkEcho(t, sessions[authority], "still here")
		}
	}
	checkEcho(t, plain, "I have no certificate")
}

// A file that cannot be read, or is missing for a moment, disconnects no client, and
// is logged once.
func TestABrokenFileOfAuthoritiesChangesNothing(t *testing.T) {
	authority, alice := sshserver.NewKey(t), sshserver.NewKey(t)
	f := newCAFile(t)
	f.echo(t, "10.0.0.1")
	f.put(running("a.team", "10.0.0.1", alice))
	f.write(t, lines(authority)[0])
	f.read()
	client, err := f.login(t, nil, certified(t, authority, alice, nil))
	if err != nil {
		t.Fatal(err)
	}
	session := openServer(t, client, "a.team")
	f.write(t, "ssh-ed25519 AAAA")
	f.read()
	f.read()
	if line := f.log.await(t, "user certificate authorities not read: those of before stay trusted"); !strings.Contains(fmt.Sprint(line["error"]), "line 1 of ") {
		t.Errorf("the log says %v", line)
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	f.read()
	checkEcho(t, session, "still here")
	if n := strings.Count(f.log.text(), "user certificate authorities not read: those of before stay trusted"); n != 2 {
		t.Errorf("two different errors are logged %d times", n)
	}
}

func TestReadAuthorities(t *testing.T) {
	key := sshserver.NewKey(t)
	line := string(ssh.MarshalAuthorizedKey(key.PublicKey()))
	cases := map[string]struct {
		content string
		want    int
		err     string
	}{
		"Keys":    {"# ours\n\n" + line, 1, ""},
		"Empty":   {"", 0, ""},
		"Options": {"\ncert-authority " + line, 0, "line 2 of "},
		"NotAKey": {"ssh-ed25519 AAAA", 0, "line 1 of "},
		"CRLF":    {strings.TrimSpace(line) + "\r\n", 1, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "ca")
			if err := os.WriteFile(file, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readAuthorities(file)
			if len(got) != tc.want || (err == nil) != (tc.err == "") || (err != nil && !strings.Contains(err.Error(), tc.err)) {
				t.Errorf("got %d authorities, %v, want %d, %q", len(got), err, tc.want, tc.err)
			}
		})
	}
	if _, err := readAuthorities(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist is read without an error")
	}
}
