package sshkeys

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// line is a public key as authorized_keys text, without a line break.
func line(t *testing.T, key any) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func ed25519Line(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, public)
}

// rsaLine returns an RSA public key of the given size. Its modulus is not a product of
// primes, because only its size is checked.
func rsaLine(t *testing.T, bits int) string {
	t.Helper()
	n := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	return line(t, &rsa.PublicKey{N: n.Add(n, big.NewInt(1)), E: 65537})
}

func ecdsaLine(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return line(t, &key.PublicKey)
}

// skLine returns the public key of a hardware token from its wire format.
func skLine(t *testing.T) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wire := ssh.Marshal(struct {
		Type        string
		Key         []byte
		Application string
	}{ssh.KeyAlgoSKED25519, public, "ssh:"})
	return ssh.KeyAlgoSKED25519 + " " + base64.StdEncoding.EncodeToString(wire)
}

func TestParseAuthorizedAccepts(t *testing.T) {
	tests := map[string]struct{ line, comment string }{
		"ed25519":             {ed25519Line(t), ""},
		"comment":             {ed25519Line(t) + " me@laptop, my second", "me@laptop, my second"},
		"tabs and spaces":     {"  " + strings.Replace(ed25519Line(t), " ", "\t  ", 1) + "\t me ", "me"},
		"non-ASCII comment":   {ed25519Line(t) + " Zoë", "Zoë"},
		"rsa 2048":            {rsaLine(t, 2048), ""},
		"rsa 16384":           {rsaLine(t, 16384), ""},
		"ecdsa 256":           {ecdsaLine(t, elliptic.P256()), ""},
		"ecdsa 384":           {ecdsaLine(t, elliptic.P384()), ""},
		"ecdsa 521":           {ecdsaLine(t, elliptic.P521()), ""},
		"hardware token":      {skLine(t), ""},
		"option-like comment": {ed25519Line(t) + " no-pty ssh-rsa", "no-pty ssh-rsa"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			key, comment, err := ParseAuthorized(test.line)
			if err != nil {
				t.Fatal(err)
			}
			if comment != test.comment {
				t.Errorf("comment %q, want %q", comment, test.comment)
			}
			if want := strings.Fields(test.line)[1]; base64.StdEncoding.EncodeToString(key.Marshal()) != want {
				t.Error("the parsed key is another one")
			}
		})
	}
}

func TestParseAuthorizedRefuses(t *testing.T) {
	good := ed25519Line(t)
	body := strings.Fields(good)[1]
	tests := map[string]struct{ line, says string }{
		"empty":              {"", "is empty"},
		"blank":              {" \t\n", "is empty"},
		"two lines":          {good + "\n" + ed25519Line(t), "line break"},
		"trailing newline":   {good + "\n", "line break"},
		"CRLF":               {good + "\r\n", "line break"},
		"CR inside":          {good + "\rcommand=x", "line break"},
		"NUL":                {good + " a\x00b", "control character"},
		"escape sequence":    {good + " \x1b[2J", "control character"},
		"invalid UTF-8":      {good + " \xff", "UTF-8"},
		"commented out":      {"#" + good, "commented out"},
		"option":             {`command="rm -rf /" ` + good, "options"},
		"options":            {`no-pty,from="10.0.0.0/8" ` + good, "options"},
		"cert-authority":     {"cert-authority " + good, "options"},
		"no type":            {body, "lacks its type"},
		"type alone":         {"ssh-ed25519", "no key after it"},
		"words":              {"please let me in", "not a public key"},
		"not base64":         {"ssh-ed25519 A*" + body[2:], "base64"},
		"cut off":            {good[:len(good)-8], "cut off"},
		"trailing data":      {"ssh-ed25519 " + base64.StdEncoding.EncodeToString(append(decode(t, body), 1, 2, 3)), "does not decode"},
		"type does not fit":  {"ssh-rsa " + body, "another type"},
		"dsa":                {"ssh-dss AAAAB3NzaC1kc3M=", "DSA"},
		"certificate":        {"ssh-ed25519-cert-v01@openssh.com " + body, "certificates"},
		"private key":        {"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1r", "private key"},
		"rsa 1024":           {rsaLine(t, 1024), "1024 bits"},
		"rsa 2047":           {rsaLine(t, 2047), "2047 bits"},
		"oversize":           {good + " " + strings.Repeat("x", 16<<10), "longer than"},
		"line separator":     {good + "\u0085" + good, "control character"},
		"corrupt rsa":        {"ssh-rsa " + base64.StdEncoding.EncodeToString([]byte("\x00\x00\x00\x07ssh-rsa\x00\x00")), "does not decode"},
		"known, not allowed": {"sk-unknown@openssh.com " + body, "accepted type"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, err := ParseAuthorized(test.line)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q does not contain %q", err, test.says)
			}
			if strings.ContainsAny(err.Error(), "\r\n") || strings.Contains(err.Error(), body) {
				t.Errorf("error %q is not one sentence without the key", err)
			}
		})
	}
}

func decode(t *testing.T, body string) []byte {
	t.Helper()
	wire, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

func TestFingerprint(t *testing.T) {
	const public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	key, _, err := ParseAuthorized(public)
	if err != nil {
		t.Fatal(err)
	}
	if got := Fingerprint(key); !strings.HasPrefix(got, "SHA256:") || len(got) != len("SHA256:")+43 {
		t.Errorf("fingerprint %q is not in ssh-keygen's form", got)
	}
}

func FuzzParseAuthorized(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f me")
	f.Add(`command="x" ssh-rsa AAAA`)
	f.Fuzz(func(t *testing.T, line string) {
		key, comment, err := ParseAuthorized(line)
		if err != nil {
			return
		}
		again := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) + " " + comment
		if _, _, err := ParseAuthorized(again); err != nil {
			t.Errorf("%q was accepted, but its canonical form is not: %v", line, err)
		}
	})
}
