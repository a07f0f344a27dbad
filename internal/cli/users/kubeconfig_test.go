package users

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	devserverv1 "devserver.io/devserver/api/v1"
)

// The name decides whose DevServers these are, and a group would give rights.
func TestRequestHasTheNameAndNoGroup(t *testing.T) {
	key, request, err := newRequest("alice@example.com")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(request)
	got, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if got.Subject.CommonName != "alice@example.com" || len(got.Subject.Names) != 1 {
		t.Errorf("the request is for %v", got.Subject)
	}
	if block, _ := pem.Decode(key); block == nil || block.Type != "PRIVATE KEY" {
		t.Errorf("the key is %q", key)
	}
}

func TestConfigFor(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, []byte("the CA"), 0o600); err != nil {
		t.Fatal(err)
	}
	user := &devserverv1.DevServerUser{}
	user.Spec.Username, user.Status.Namespace = "alice", "dev-alice"
	own := &rest.Config{Host: "https://here:6443", BearerToken: "the admin's"}
	own.CAFile, own.ServerName = ca, "kubernetes"
	config, err := configFor(own, user, &identity{certificate: []byte("cert"), key: []byte("key")}, "https://there")
	if err != nil {
		t.Fatal(err)
	}
	context := config.Contexts[config.CurrentContext]
	to, who := config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo]
	got := []string{context.Namespace, to.Server, to.TLSServerName, string(to.CertificateAuthorityData), string(who.ClientCertificateData), string(who.ClientKeyData), who.Token}
	if diff := cmp.Diff([]string{"dev-alice", "https://there", "kubernetes", "the CA", "cert", "key", ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWriteNew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := writeNew(file, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v), want 0600", info.Mode(), err)
	}
	if err := writeNew(file, []byte("other")); err == nil {
		t.Error("a file that was there is replaced")
	}
}
