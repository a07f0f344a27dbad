package gateway

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/ssh"

	"devserver.io/devserver/internal/sshkeys"
)

// identity is who a connection is: what it has proven, and nothing that it
// only claims.
type identity struct {
	key fingerprint
	// owners are those that the principals of a certificate name.
	owners []string
	// certificate identifies the certificate for the audit, and authority is
	// who signed it, in the wire format.
	certificate, authority string
}

// opens tells whether it may enter the box.
func (i identity) opens(b box) bool {
	return b.keys[i.key] || slices.Contains(i.owners, b.Spec.Owner)
}

// identify says who the client is if it has the key, or why it is nobody.
func (a authorities) identify(key ssh.PublicKey) (who identity, restrictions map[string]string, err error) {
	certificate, ok := key.(*ssh.Certificate)
	if !ok {
		return identity{key: fingerprint(sshkeys.Fingerprint(key))}, nil, nil
	}
	if err := a.check(certificate); err != nil {
		return identity{}, nil, err
	}
	return identity{
		// The certificate is signed for with this key, which is proven too.
		key:         fingerprint(sshkeys.Fingerprint(certificate.Key)),
		owners:      slices.Clone(certificate.ValidPrincipals),
		certificate: fmt.Sprintf("%.256q serial %d", certificate.KeyId, certificate.Serial),
		authority:   string(certificate.SignatureKey.Marshal()),
	}, certificate.CriticalOptions, nil
}

// check says what is wrong with a certificate. Of the critical options the SSH
// library enforces source-address; any other would have to be obeyed in the box
// and makes the certificate useless here.
func (a authorities) check(c *ssh.Certificate) error {
	switch {
	case c.CertType != ssh.UserCert:
		return errors.New("it is a host's certificate")
	case !a[string(c.SignatureKey.Marshal())]:
		return errors.New("its authority is not trusted here")
	case len(c.ValidPrincipals) == 0:
		return errors.New("it has no principals: it would be good for everybody's boxes")
	}
	checker := ssh.CertChecker{SupportedCriticalOptions: []string{"source-address"}}
	// That principals name the owner of a box is seen at each box.
	return checker.CheckCert(c.ValidPrincipals[0], c)
}
