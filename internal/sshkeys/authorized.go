// Package sshkeys parses the public keys that people hand in and derives the
// private keys that a box identifies itself with.
//
// Both halves are shared: the operator refuses what the agent and the gateway
// would not accept, because all three ask the same function.
package sshkeys

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"
)

const (
	// maxLineBytes bounds one line of an authorized_keys file. The longest
	// key that is accepted, RSA with 16384 bits, takes 2.8 KiB.
	maxLineBytes = 16 << 10

	minRSABits = 2048
	maxRSABits = 16384
)

// accepted are the key types that may log in. DSA is broken, and a
// certificate would carry an authority that no one checks here.
var accepted = map[string]bool{
	ssh.KeyAlgoRSA:        true,
	ssh.KeyAlgoED25519:    true,
	ssh.KeyAlgoECDSA256:   true,
	ssh.KeyAlgoECDSA384:   true,
	ssh.KeyAlgoECDSA521:   true,
	ssh.KeyAlgoSKED25519:  true,
	ssh.KeyAlgoSKECDSA256: true,
}

const acceptedWords = "use an ed25519, ecdsa, rsa or sk (hardware) key"

// ParseAuthorized parses one public key as it stands in a .pub file: type,
// base64 body and an optional comment. Everything else that authorized_keys(5)
// allows is refused, above all options: one `command="…"` in a list of keys
// would change what the others' logins mean.
//
// Errors are one sentence for the person who handed the key in, and never
// repeat the line, which may be a private key.
func ParseAuthorized(line string) (key ssh.PublicKey, comment string, err error) {
	if err := checkText(line); err != nil {
		return nil, "", err
	}
	kind, rest := cutField(strings.Trim(line, blanks))
	if err := checkKind(kind, rest); err != nil {
		return nil, "", err
	}
	body, comment := cutField(rest)
	if body == "" {
		return nil, "", fmt.Errorf("the public key has the type %s but no key after it", kind)
	}
	wire, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return nil, "", errors.New("the public key's body is not valid base64: it is cut off or was changed while copying")
	}
	key, err = ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, "", errors.New("the public key's body does not decode: it is cut off or was changed while copying")
	}
	if key.Type() != kind || !bytes.Equal(key.Marshal(), wire) {
		return nil, "", fmt.Errorf("the public key says %s, but its body holds another key", kind)
	}
	if err := checkStrength(key); err != nil {
		return nil, "", err
	}
	return key, comment, nil
}

// Fingerprint is the key's SHA-256 fingerprint as ssh-keygen -l prints it. It
// identifies a key in logs without repeating it.
func Fingerprint(key ssh.PublicKey) string {
	return ssh.FingerprintSHA256(key)
}

// blanks separate the fields of a line.
const blanks = " \t"

func cutField(s string) (field, rest string) {
	end := strings.IndexAny(s, blanks)
	if end < 0 {
		return s, ""
	}
	return s[:end], strings.TrimLeft(s[end:], blanks)
}

// checkText refuses what cannot be one line of text with one key.
func checkText(line string) error {
	switch {
	case len(line) > maxLineBytes:
		return fmt.Errorf("the public key is longer than %d bytes", maxLineBytes)
	case strings.TrimSpace(line) == "":
		return errors.New("the public key is empty")
	case strings.Contains(line, "PRIVATE KEY"):
		return errors.New("this is a private key: keep it to yourself and give the public one, the file that ends in .pub")
	case strings.ContainsAny(line, "\r\n"):
		return errors.New("the public key has a line break: give exactly one key on one line")
	case !utf8.ValidString(line):
		return errors.New("the public key is not valid UTF-8 text")
	case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return errors.New("the public key has a control character in it")
	}
	return nil
}

// checkKind explains a first word that is not an accepted key type.
func checkKind(kind, rest string) error {
	switch {
	case accepted[kind]:
		return nil
	case strings.HasPrefix(kind, "#"):
		return errors.New("the public key is commented out with #")
	case kind == "ssh-dss":
		return errors.New("DSA keys are broken and not accepted: " + acceptedWords)
	case strings.Contains(kind, "-cert-v0"):
		return errors.New("SSH certificates are not accepted: give the plain public key, the file that ends in .pub but not in -cert.pub")
	case hasKeyType(rest):
		return errors.New("the public key has options before its type: remove everything before the type")
	case strings.HasPrefix(kind, "AAAA"):
		return errors.New("the public key lacks its type: it begins with ssh-ed25519, ssh-rsa or the like")
	default:
		return errors.New("this is not a public key of an accepted type: " + acceptedWords)
	}
}

// hasKeyType reports whether a key type stands as a word of its own in s.
func hasKeyType(s string) bool {
	for word := range strings.FieldsSeq(s) {
		if accepted[word] {
			return true
		}
	}
	return false
}

// checkStrength bounds RSA keys: short ones are weak, and huge ones cost the
// server seconds for each login attempt.
func checkStrength(key ssh.PublicKey) error {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return nil
	}
	public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
	if !ok {
		return nil
	}
	if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("the RSA key has %d bits: it must have %d to %d", bits, minRSABits, maxRSABits)
	}
	return nil
}
