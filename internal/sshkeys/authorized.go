// Package sshkeys parses users' public keys and derives the keys of servers and of the
// gateway from the operator's master secret.
//
// Operator, agent and gateway parse public keys with the same function, so the operator
// refuses exactly the keys that the other two would not accept.
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

// accepted are the key types that may log in. DSA is broken. Certificates are not
// accepted because this function does not check their authority.
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

// ParseAuthorized parses one public key in the form of a .pub file: type, base64 body
// and an optional comment. It refuses everything else that authorized_keys(5) allows,
// in particular options such as command="…", which would not be enforced.
//
// Each error is one sentence for the owner of the key. It never repeats the line, which
// may be a private key.
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
		return nil, "", fmt.Errorf("the public key has the type %s, but its body is a key of another type or has extra data", kind)
	}
	if err := checkStrength(key); err != nil {
		return nil, "", err
	}
	return key, comment, nil
}

// Fingerprint returns the SHA-256 fingerprint of the key as ssh-keygen -l prints it.
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

// checkText refuses text that cannot be one line with one key.
func checkText(line string) error {
	switch {
	case len(line) > maxLineBytes:
		return fmt.Errorf("the public key is longer than %d bytes", maxLineBytes)
	case strings.TrimSpace(line) == "":
		return errors.New("the public key is empty")
	case strings.Contains(line, "PRIVATE KEY"):
		return errors.New("this is a private key: keep it secret and use the public key, in the file that ends in .pub")
	case strings.ContainsAny(line, "\r\n"):
		return errors.New("the public key has a line break: it must be one key on one line")
	case !utf8.ValidString(line):
		return errors.New("the public key is not valid UTF-8 text")
	case strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }):
		return errors.New("the public key contains a control character")
	}
	return nil
}

// checkKind returns an error that explains why the first word is not an accepted key
// type, and nil if it is one.
func checkKind(kind, rest string) error {
	switch {
	case accepted[kind]:
		return nil
	case strings.HasPrefix(kind, "#"):
		return errors.New("the public key is commented out with #")
	case kind == "ssh-dss":
		return errors.New("DSA keys are broken and not accepted: " + acceptedWords)
	case strings.Contains(kind, "-cert-v0"):
		return errors.New("SSH certificates are not accepted: use the plain public key, in the file that ends in .pub but not in -cert.pub")
	case hasKeyType(rest):
		return errors.New("the public key has options before its type: remove everything before the type")
	case strings.HasPrefix(kind, "AAAA"):
		return errors.New("the public key lacks its type: it must start with a type such as ssh-ed25519 or ssh-rsa")
	default:
		return errors.New("this is not a public key of an accepted type: " + acceptedWords)
	}
}

// hasKeyType reports whether one of the words of s is an accepted key type.
func hasKeyType(s string) bool {
	for word := range strings.FieldsSeq(s) {
		if accepted[word] {
			return true
		}
	}
	return false
}

// checkStrength limits the size of RSA keys: short ones are weak, and very long ones take
// the server seconds for each login attempt.
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
