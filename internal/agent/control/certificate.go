package control

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"strings"
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// ReadKey reads the control key. If the file does not exist, it generates a key, which
// is enough for probes: they do not verify it.
func ReadKey(path string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the control key: %w", err)
	}
	key, err := agentapi.ParseControlKey(text)
	if err != nil {
		return nil, fmt.Errorf("the control key %s is %w", path, err)
	}
	return key, nil
}

// ReadToken reads the operator's bearer token. It is empty if the file does not exist.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read the control token: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// selfSigned returns a certificate, always the same one for the same key. The operator
// verifies its key only, so its names and dates have no meaning.
func selfSigned(key ed25519.PrivateKey) (tls.Certificate, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return tls.Certificate{}, errors.New("the control key has no ed25519 public key")
	}
	digest := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetBytes(digest[:16]),
		Subject:               pkix.Name{CommonName: "devserver-agent"},
		DNSNames:              []string{"devserver-agent"},
		NotBefore:             time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:              time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC), // RFC 5280: no expiry
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the control endpoint's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
