package gateway

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
)

// identity is what a client has proven about itself.
type identity struct {
	key fingerprint
	// owners are the principals of the certificate.
	owners []string
	// certificate identifies the certificate in the log. authority is the key that
	// signed it, in wire format.
	certificate, authority string
}

// opens tells whether the client can connect to the server.
func (i identity) opens(d devServer) bool {
	return d.keys[i.key] || slices.Contains(i.owners, d.Spec.Owner)
}

// identify returns the identity of a client that has the private half of key, or
// why the certificate is refused.
func (a authorities) identify(key ssh.PublicKey) (who identity, restrictions map[string]string, err error) {
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return identity{key: fingerprint(sshkeys.Fingerprint(key))}, nil, nil
	}
	if err := a.check(certificate); err != nil {
		return identity{}, nil, err
	}
	return identity{
		// The client signs with this key, and so proves that it has it.
		key:         fingerprint(sshkeys.Fingerprint(certificate.Key)),
		owners:      slices.Clone(certificate.ValidPrincipals),
		certificate: fmt.Sprintf("%.256q serial %d", certificate.KeyId, certificate.Serial),
		authority:   string(certificate.SignatureKey.Marshal()),
	}, certificate.CriticalOptions, nil
}

// check returns what is wrong with a certificate. The SSH library enforces the
// critical option source-address. The gateway cannot enforce any other one, and
// refuses the certificate.
func (a authorities) check(c *ssh.Certificate) error {
	switch {
	case c.CertType != ssh.UserCert:
		return errors.New("it is a host certificate")
	case !a[string(c.SignatureKey.Marshal())]:
		return errors.New("its authority is not trusted")
	case len(c.ValidPrincipals) == 0:
		return errors.New("it has no principals, so it would open every server")
	}
	checker := ssh.CertChecker{SupportedCriticalOptions: []string{"source-address"}}
	// Whether a principal is the owner of a server is checked for each server.
	return checker.CheckCert(c.ValidPrincipals[0], c)
}
