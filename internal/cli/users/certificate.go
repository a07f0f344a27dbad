package users

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/exit"
)

// leastExpiry is the shortest that the API server accepts.
const leastExpiry = 10 * time.Minute

// identity is a client certificate with its private key, in PEM.
type identity struct {
	certificate, key []byte
	expires          time.Time
}

// certify has the cluster sign a certificate for the user's name. The private key
// is not sent. The request is deleted at the end.
func certify(ctx context.Context, c client.Client, user *devserverv1.DevServerUser, o KubeconfigOptions) (*identity, error) {
	key, request, err := newRequest(user.Spec.Owner)
	if err != nil {
		return nil, fmt.Errorf("making a private key for %s: %w", user.Spec.Username, err)
	}
	csr := &certificatesv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{GenerateName: "devserver-user-" + user.Spec.Username + "-"}}
	csr.Spec = certificatesv1.CertificateSigningRequestSpec{
		Request: request, SignerName: certificatesv1.KubeAPIServerClientSignerName,
		Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth}, ExpirationSeconds: new(int32(o.Expires / time.Second)),
	}
	doing := "requesting a certificate for " + user.Spec.Owner
	if err := c.Create(ctx, csr); err != nil {
		return nil, explain(err, doing)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Delete(ctx, csr) // If that fails, Kubernetes deletes it within hours.
	}()
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "DevServerUser", Message: "devctl users kubeconfig " + user.Spec.Username,
	})
	if err := c.SubResource("approval").Update(ctx, csr); err != nil {
		return nil, explain(err, "approving the certificate for "+user.Spec.Owner)
	}
	signed, err := awaitSigned(ctx, c, csr, o.Timeout)
	if err != nil {
		return nil, err
	}
	chain, err := cert.ParseCertsPEM(signed)
	if err != nil {
		return nil, fmt.Errorf("%s: the signed certificate cannot be decoded: %w", doing, err)
	}
	return &identity{certificate: signed, key: key, expires: chain[0].NotAfter}, nil
}

// newRequest makes a private key, and a request for a certificate with that name
// and without groups.
func newRequest(name string) (keyPEM, requestPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}), nil
}

func awaitSigned(ctx context.Context, c client.Client, csr *certificatesv1.CertificateSigningRequest, timeout time.Duration) ([]byte, error) {
	const often = 200 * time.Millisecond
	// A request that is under way at the timeout is not canceled: its error would
	// hide that this is a timeout.
	err := wait.PollUntilContextTimeout(ctx, often, timeout, true, func(context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(csr), csr); err != nil {
			return false, err
		}
		for _, condition := range csr.Status.Conditions {
			if condition.Type == certificatesv1.CertificateFailed || condition.Type == certificatesv1.CertificateDenied {
				return false, fmt.Errorf("%s: %s", condition.Reason, condition.Message)
			}
		}
		return len(csr.Status.Certificate) > 0, nil
	})
	switch {
	case err == nil:
		return csr.Status.Certificate, nil
	case ctx.Err() != nil:
		return nil, exit.With(exit.Interrupted, errors.New("stopped waiting for the certificate; nothing was written"))
	case errors.Is(err, context.DeadlineExceeded):
		return nil, exit.With(exit.TimedOut, fmt.Errorf("the cluster did not sign the certificate within %s: some clusters, such as EKS, never do, and have a login of their own: see devctl users kubeconfig --help", timeout))
	}
	return nil, explain(err, "waiting for the certificate")
}
