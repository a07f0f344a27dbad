// Package pki creates the certificates of a cluster. Every client, the parts as well
// as the administrator, has a client certificate: there are no tokens in files.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// lifetime is long because nothing renews the certificates. Clusters are removed earlier.
const lifetime = 10 * 365 * 24 * time.Hour

// Authority signs certificates.
type Authority struct {
	Cert *x509.Certificate
	key  crypto.PrivateKey
}

// Identity is the subject of a certificate.
type Identity struct {
	// User and Groups are what Kubernetes reads from a client certificate's subject.
	User   string
	Groups []string
	// Hosts are the names and addresses of a server. Without any, the certificate is
	// valid only for clients.
	Hosts []string
}

// OpenAuthority reads an authority's certificate and key from dir. It creates them if they are missing.
func OpenAuthority(dir, name string) (*Authority, error) {
	if exists(dir, name) {
		return readAuthority(dir, name)
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	self := &Authority{Cert: template, key: key}
	if err := self.issue(dir, name, template, key); err != nil {
		return nil, err
	}
	return readAuthority(dir, name)
}

// Issue writes NAME.crt and NAME.key into dir, unless they exist.
func (a *Authority) Issue(dir, name string, id Identity) error {
	if exists(dir, name) {
		return nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: id.User, Organization: id.Groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range id.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(id.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	return a.issue(dir, name, template, key)
}

// SigningKey writes a key pair without a certificate: NAME.key and NAME.pub. The API
// server signs ServiceAccount tokens with it.
func SigningKey(dir, name string) error {
	if _, err := os.Stat(filepath.Join(dir, name+".pub")); err == nil {
		return nil
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encode the public key of %s: %w", name, err)
	}
	if err := writeKey(dir, name, key); err != nil {
		return err
	}
	return write(filepath.Join(dir, name+".pub"), "PUBLIC KEY", public)
}

func (a *Authority) issue(dir, name string, template *x509.Certificate, key crypto.Signer) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fmt.Errorf("choose a serial number: %w", err)
	}
	template.SerialNumber = serial
	// The clocks of the host and of clients can differ.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(lifetime)
	der, err := x509.CreateCertificate(rand.Reader, template, a.Cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	if err := writeKey(dir, name, key); err != nil {
		return err
	}
	// The certificate is written last: if it exists, both files are complete.
	return write(filepath.Join(dir, name+".crt"), "CERTIFICATE", der)
}

func newKey() (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return key, nil
}

func writeKey(dir, name string, key crypto.Signer) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key of %s: %w", name, err)
	}
	return write(filepath.Join(dir, name+".key"), "PRIVATE KEY", der)
}

func write(path, kind string, der []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the folder for certificates: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".new", path)
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name+".crt"))
	return err == nil
}

func readAuthority(dir, name string) (*Authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
	if err != nil {
		return nil, fmt.Errorf("read the certificate and key of %s: %w", name, err)
	}
	return &Authority{Cert: pair.Leaf, key: pair.PrivateKey}, nil
}
