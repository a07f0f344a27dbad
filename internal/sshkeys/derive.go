package sshkeys

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

// minMasterBytes is the minimum length of the master secret, on which the keys of every
// server depend.
const minMasterBytes = 32

// derivation separates these keys from others that are derived from the same master
// secret. Changing it would change every server's host key.
const derivation = "devserver.io box keys v1" // wordlint:allow part of every server's keys

// gatewayDerivation does the same for the host key of the gateway. Neither string is a
// prefix of the other, so the keys cannot be equal.
const gatewayDerivation = "devserver.io gateway host key v1"

// Keys are the secrets by which a server proves its identity.
type Keys struct {
	// HostKeyPEM is the ed25519 host key in OpenSSH's private key format.
	HostKeyPEM []byte
	// HostPublic is the host key's public half, "ssh-ed25519 AAAA…", without
	// a comment or line break.
	HostPublic string
	// ControlKeyPEM is the PKCS #8 ed25519 key of the control endpoint's
	// certificate.
	ControlKeyPEM []byte
	// ControlToken is the bearer token of the control endpoint.
	ControlToken string
}

// Derive computes the keys of a server from the operator's master secret and the
// server's identity. The same arguments give the same bytes in every version, so the
// operator never has to read keys back, and a server that is deleted and created again
// keeps its host key. The owner is one of the arguments, so a server with the same name
// and another owner has other keys.
func Derive(master []byte, namespace, name, owner string) (Keys, error) {
	if err := checkMaster(master); err != nil {
		return Keys{}, err
	}
	if namespace == "" || name == "" || owner == "" {
		return Keys{}, errors.New("namespace, name and owner must all be set to derive a server's keys")
	}
	var seeds [3][]byte
	for i, purpose := range []string{"ssh host key", "control key", "control token"} {
		var err error
		seeds[i], err = hkdf.Key(sha256.New, master, nil, info(namespace, name, owner, purpose), ed25519.SeedSize)
		if err != nil {
			return Keys{}, fmt.Errorf("deriving the %s: %w", purpose, err)
		}
	}
	host, public, err := openSSHKey(seeds[0])
	if err != nil {
		return Keys{}, fmt.Errorf("encoding the host key: %w", err)
	}
	control, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seeds[1]))
	if err != nil {
		return Keys{}, fmt.Errorf("encoding the control key: %w", err)
	}
	return Keys{
		HostKeyPEM:    host,
		HostPublic:    publicLine(public),
		ControlKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: control}),
		ControlToken:  base64.RawURLEncoding.EncodeToString(seeds[2]),
	}, nil
}

// DeriveGateway computes the ed25519 host key of the gateway from the operator's
// master secret, in OpenSSH's private key format. All replicas have the same
// key, in every version.
func DeriveGateway(master []byte) ([]byte, error) {
	if err := checkMaster(master); err != nil {
		return nil, err
	}
	seed, err := hkdf.Key(sha256.New, master, nil, gatewayDerivation, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("deriving the gateway's host key: %w", err)
	}
	private, _, err := openSSHKey(seed)
	if err != nil {
		return nil, fmt.Errorf("encoding the gateway's host key: %w", err)
	}
	return private, nil
}

// PublicLine returns the public half of a private key in PEM format, as
// "ssh-ed25519 AAAA…", without a comment or line break.
func PublicLine(private []byte) (string, error) {
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return "", err
	}
	return publicLine(signer.PublicKey()), nil
}

func publicLine(public ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func checkMaster(master []byte) error {
	if len(master) < minMasterBytes {
		return fmt.Errorf("the master secret has %d bytes: it must have at least %d", len(master), minMasterBytes)
	}
	return nil
}

// info joins the fields with their lengths, so that different servers have different
// infos: ("a", "bc") and ("ab", "c") do not collide.
func info(fields ...string) string {
	joined := []byte(derivation)
	for _, field := range fields {
		joined = binary.BigEndian.AppendUint32(joined, uint32(len(field)))
		joined = append(joined, field...)
	}
	return string(joined)
}
