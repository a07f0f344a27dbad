package pki

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func layout(t *testing.T) (Layout, string) {
	t.Helper()
	dir := t.TempDir()
	l := Layout{Dir: filepath.Join(dir, "pki"), NodeName: "n", Node: netip.MustParseAddr("172.31.0.2"), API: netip.MustParseAddr("10.128.128.1")}
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := l.Ensure(kubeconfig); err != nil {
		t.Fatal(err)
	}
	return l, kubeconfig
}

func leaf(t *testing.T, l Layout, name string) *x509.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(l.Dir, name+".crt"), filepath.Join(l.Dir, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

func pool(t *testing.T, l Layout, authority string) *x509.CertPool {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(l.Dir, authority+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	return pool
}

func TestServerCertificates(t *testing.T) {
	l, _ := layout(t)
	for name, hosts := range map[string][]string{
		"apiserver":      {"kubernetes.default.svc", "172.31.0.2", "10.128.128.1", "127.0.0.1"},
		"kubelet-server": {"n", "172.31.0.2"},
	} {
		for _, host := range hosts {
			if _, err := leaf(t, l, name).Verify(x509.VerifyOptions{Roots: pool(t, l, ClusterCA), DNSName: host}); err != nil {
				t.Errorf("%s as %s: %v", name, host, err)
			}
		}
	}
}

func TestClientCertificates(t *testing.T) {
	l, _ := layout(t)
	for name, id := range l.clients() {
		cert := leaf(t, l, name)
		if cert.Subject.CommonName != id.User || strings.Join(cert.Subject.Organization, ",") != strings.Join(id.Groups, ",") {
			t.Errorf("%s is %s", name, cert.Subject)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, l, ClusterCA), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: pool(t, l, ClusterCA)}); err == nil {
			t.Errorf("%s's client certificate serves as a server's", name)
		}
	}
}

// A further node has the node name of its certificates, calls home's API server, and
// cannot sign certificates.
func TestJoin(t *testing.T) {
	home, _ := layout(t)
	l := Layout{Dir: filepath.Join(t.TempDir(), "pki"), NodeName: "n-2", Node: netip.MustParseAddr("172.31.1.2"), API: home.API}
	if err := l.Join(home); err != nil {
		t.Fatal(err)
	}
	roots := pool(t, home, ClusterCA)
	client := leaf(t, l, "kubelet")
	if _, err := client.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil || client.Subject.CommonName != "system:node:n-2" {
		t.Errorf("the kubelet is %s: %v", client.Subject, err)
	}
	if _, err := leaf(t, l, kubeletServer).Verify(x509.VerifyOptions{Roots: roots, DNSName: "172.31.1.2"}); err != nil {
		t.Errorf("the API server cannot call its kubelet: %v", err)
	}
	for _, name := range []string{"kubelet", "kube-proxy"} {
		text, err := os.ReadFile(filepath.Join(l.Dir, name+".kubeconfig"))
		if err != nil || !strings.Contains(string(text), "server: https://172.31.0.2:6443\n") {
			t.Errorf("the %s calls another API server than home's (%v):\n%s", name, err, text)
		}
	}
	if _, err := os.Stat(filepath.Join(l.Dir, ClusterCA+".key")); !os.IsNotExist(err) {
		t.Errorf("it has the authority's key: %v", err)
	}
}

func TestAuthoritiesAreSeparate(t *testing.T) {
	l, _ := layout(t)
	any := []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	for name, own := range map[string]string{"admin": ClusterCA, "etcd-client": EtcdCA, "front-proxy": FrontCA} {
		for _, authority := range []string{ClusterCA, EtcdCA, FrontCA} {
			_, err := leaf(t, l, name).Verify(x509.VerifyOptions{Roots: pool(t, l, authority), KeyUsages: any})
			if (err == nil) != (authority == own) {
				t.Errorf("%s against %s: %v", name, authority, err)
			}
		}
	}
}

func TestEnsureIsIdempotent(t *testing.T) {
	l, kubeconfig := layout(t)
	before := read(t, l.Dir)
	if err := l.Ensure(kubeconfig); err != nil {
		t.Fatal(err)
	}
	after := read(t, l.Dir)
	for name := range after {
		if before[name] != after[name] {
			t.Errorf("%s changed", name)
		}
	}
}

func TestKeysAreForRootOnly(t *testing.T) {
	l, kubeconfig := layout(t)
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{kubeconfig}
	for _, e := range entries {
		paths = append(paths, filepath.Join(l.Dir, e.Name()))
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
}

func TestKubeconfigIsComplete(t *testing.T) {
	_, kubeconfig := layout(t)
	data, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct {
		Clusters []struct{ Cluster map[string]string }
		Users    []struct{ User map[string]string }
	}
	if err := yaml.Unmarshal(data, &parsed); err != nil {
		t.Fatal(err)
	}
	if got := parsed.Clusters[0].Cluster["server"]; got != "https://172.31.0.2:6443" {
		t.Errorf("server %q", got)
	}
	for _, key := range []string{"client-certificate-data", "client-key-data"} {
		if len(parsed.Users[0].User[key]) < 100 {
			t.Errorf("%s is %q", key, parsed.Users[0].User[key])
		}
	}
}

func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(data)
	}
	return files
}
