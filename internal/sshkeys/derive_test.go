package sshkeys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

var master = []byte("0123456789abcdef0123456789abcdef")

func derive(t *testing.T, namespace, name, owner string) Keys {
	t.Helper()
	keys, err := Derive(master, namespace, name, owner)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestDeriveIsDeterministic(t *testing.T) {
	first, second := derive(t, "ns", "server", "me"), derive(t, "ns", "server", "me")
	if !reflect.DeepEqual(first, second) {
		t.Error("two derivations for the same server differ")
	}
}

// The keys must not change between versions, because every user would get a host key
// warning.
func TestDeriveStaysTheSameAcrossVersions(t *testing.T) {
	keys := derive(t, "ns", "box", "me") // wordlint:allow the keys below are of this name
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIM2CupBA8ifClcxXmBTag4c6qvGsw8rGRLTnq//e5gnp"
	if keys.HostPublic != public {
		t.Errorf("host key %s, want %s", keys.HostPublic, public)
	}
	sum := sha256.New()
	for _, part := range [][]byte{keys.HostKeyPEM, keys.ControlKeyPEM, []byte(keys.ControlToken)} {
		sum.Write(part)
	}
	const digest = "cd46f245aa3bc57f1f1b900b68432d2d2e7f7b6d818bb55938a695ebd0dbaf60"
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		t.Errorf("digest of all keys %s, want %s", got, digest)
	}
}

func TestDeriveSeparatesServers(t *testing.T) {
	tuples := [][3]string{
		{"ns", "server", "me"},
		{"ns", "server", "you"},
		{"ns", "other", "me"},
		{"other", "server", "me"},
		{"n", "sserver", "me"},
		{"nsserv", "er", "me"},
		{"ns", "serverm", "e"},
		{"server", "ns", "me"},
	}
	seen := map[string][3]string{}
	for _, tuple := range tuples {
		keys := derive(t, tuple[0], tuple[1], tuple[2])
		for _, secret := range []string{keys.HostPublic, string(keys.ControlKeyPEM), keys.ControlToken} {
			if other, taken := seen[secret]; taken {
				t.Errorf("%v and %v share a key", tuple, other)
			}
			seen[secret] = tuple
		}
	}
}

func TestDeriveDependsOnMaster(t *testing.T) {
	other, err := Derive(bytes.Repeat([]byte{1}, 32), "ns", "server", "me")
	if err != nil {
		t.Fatal(err)
	}
	if derive(t, "ns", "server", "me").HostPublic == other.HostPublic {
		t.Error("two master secrets gave the same host key")
	}
}

func TestDeriveRefuses(t *testing.T) {
	tests := map[string]struct {
		master                 []byte
		namespace, name, owner string
		says                   string
	}{
		"no master":    {nil, "ns", "server", "me", "0 bytes"},
		"short master": {master[:31], "ns", "server", "me", "31 bytes"},
		"no namespace": {master, "", "server", "me", "must all be set"},
		"no name":      {master, "ns", "", "me", "must all be set"},
		"no owner":     {master, "ns", "server", "", "must all be set"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Derive(test.master, test.namespace, test.name, test.owner)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that contains %q", err, test.says)
			}
		})
	}
}

func TestDerivedKeysParse(t *testing.T) {
	keys := derive(t, "ns", "server", "me")
	signer, err := ssh.ParsePrivateKey(keys.HostKeyPEM)
	if err != nil {
		t.Fatalf("host key: %v", err)
	}
	if got := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey()))); got != keys.HostPublic {
		t.Errorf("the private host key has the public half %s, want %s", got, keys.HostPublic)
	}
	block, rest := pem.Decode(keys.ControlKeyPEM)
	if block == nil || len(rest) != 0 {
		t.Fatal("control key is not one PEM block")
	}
	control, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatalf("control key: %v", err)
	}
	if _, ok := control.(ed25519.PrivateKey); !ok {
		t.Errorf("control key is %T, want ed25519", control)
	}
	if len(keys.ControlToken) != 43 {
		t.Errorf("control token has %d characters, want 43", len(keys.ControlToken))
	}
}

// The gateway's host key must not change between versions either.
func TestDeriveGatewayStaysTheSame(t *testing.T) {
	private, err := DeriveGateway(master)
	if err != nil {
		t.Fatal(err)
	}
	got, err := PublicLine(private)
	if err != nil {
		t.Fatal(err)
	}
	const want = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBup+9rJcf+sSbvvB2a0+pMi7BFODrzNTu19GIG/nxsO"
	if got != want {
		t.Errorf("host key %s, want %s", got, want)
	}
	other, err := DeriveGateway(bytes.Repeat([]byte{1}, 32))
	if err != nil || bytes.Equal(private, other) {
		t.Errorf("two master secrets gave the same host key (%v)", err)
	}
	if _, err := DeriveGateway(master[:31]); err == nil || !strings.Contains(err.Error(), "31 bytes") {
		t.Errorf("a short master secret gives the error %v", err)
	}
}

// OpenSSH parses its own format more strictly than x/crypto.
func TestOpenSSHReadsHostKey(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Fatal("this test requires ssh-keygen: install the Debian package openssh-client")
	}
	keys := derive(t, "ns", "server", "me")
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, keys.HostKeyPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(keygen, "-y", "-P", "", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen -y: %v: %s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != keys.HostPublic {
		t.Errorf("ssh-keygen reads %s, want %s", got, keys.HostPublic)
	}
}
