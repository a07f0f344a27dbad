package pki

import (
	"encoding/base64"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// The names of the authorities' files.
const (
	ClusterCA = "ca"
	EtcdCA    = "etcd-ca"
	FrontCA   = "front-proxy-ca"
)

// Layout describes the certificates of one cluster.
type Layout struct {
	// Dir is the folder of the certificates.
	Dir string
	// NodeName and Node are the node's name and address; API is the address of
	// the Service "kubernetes".
	NodeName  string
	Node, API netip.Addr
}

// clients are the identities of the client certificates, by the names of their files.
func (l Layout) clients() map[string]Identity {
	return map[string]Identity{
		"admin":                   {User: "admin", Groups: []string{"system:masters"}},
		"kubelet":                 {User: "system:node:" + l.NodeName, Groups: []string{"system:nodes"}},
		"kube-controller-manager": {User: "system:kube-controller-manager"},
		"kube-scheduler":          {User: "system:kube-scheduler"},
		"kube-proxy":              {User: "system:kube-proxy"},
		"coredns":                 {User: "system:coredns"},
		"local-provisioner":       {User: "system:local-provisioner"},
		"apiserver-kubelet":       {User: "kube-apiserver-kubelet-client"},
	}
}

const kubeletServer = "kubelet-server"

func (l Layout) kubeletServer() Identity {
	return Identity{User: "system:node:" + l.NodeName, Groups: []string{"system:nodes"}, Hosts: []string{l.NodeName, l.Node.String()}}
}

// Join creates the missing certificates and kubeconfigs of a further node of the
// cluster home, signed by its authority.
func (l Layout) Join(home Layout) error {
	ca, err := readAuthority(home.Dir, ClusterCA)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(l.Dir, ClusterCA+".crt"), "CERTIFICATE", ca.Cert.Raw); err != nil {
		return err
	}
	for _, name := range []string{"kubelet", "kube-proxy"} {
		if err := ca.Issue(l.Dir, name, l.clients()[name]); err != nil {
			return err
		}
		if err := l.kubeconfig(filepath.Join(l.Dir, name+".kubeconfig"), name, home.Node); err != nil {
			return err
		}
	}
	return ca.Issue(l.Dir, kubeletServer, l.kubeletServer())
}

// Ensure creates the missing authorities, certificates and kubeconfigs of the cluster.
func (l Layout) Ensure(adminKubeconfig string) error {
	signed := l.clients()
	signed[kubeletServer] = l.kubeletServer()
	signed["apiserver"] = Identity{User: "kube-apiserver", Hosts: []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		"localhost", "127.0.0.1", l.Node.String(), l.API.String(),
	}}
	for authority, identities := range map[string]map[string]Identity{
		ClusterCA: signed,
		// The other two must not sign users of the cluster.
		EtcdCA: {
			"etcd":        {User: "etcd", Hosts: []string{"localhost", "127.0.0.1"}},
			"etcd-client": {User: "kube-apiserver"},
		},
		FrontCA: {"front-proxy": {User: "front-proxy-client"}},
	} {
		ca, err := OpenAuthority(l.Dir, authority)
		if err != nil {
			return err
		}
		for name, id := range identities {
			if err := ca.Issue(l.Dir, name, id); err != nil {
				return err
			}
		}
	}
	if err := SigningKey(l.Dir, "service-account"); err != nil {
		return err
	}
	for name := range l.clients() {
		path := filepath.Join(l.Dir, name+".kubeconfig")
		if name == "admin" {
			path = adminKubeconfig
		}
		if err := l.kubeconfig(path, name, l.Node); err != nil {
			return err
		}
	}
	return nil
}

// kubeconfig writes a file with everything that connecting to the API server of a node
// requires.
func (l Layout) kubeconfig(path, user string, server netip.Addr) error {
	values := []string{"SERVER", "https://" + server.String() + ":6443", "NAME", l.NodeName, "USER", user}
	for value, file := range map[string]string{"CA": ClusterCA + ".crt", "CERT": user + ".crt", "KEY": user + ".key"} {
		data, err := os.ReadFile(filepath.Join(l.Dir, file))
		if err != nil {
			return fmt.Errorf("read %s for the kubeconfig of %s: %w", file, user, err)
		}
		values = append(values, value, base64.StdEncoding.EncodeToString(data))
	}
	text := strings.NewReplacer(values...).Replace(`apiVersion: v1
kind: Config
current-context: NAME
contexts:
- name: NAME
  context: {cluster: NAME, user: USER}
clusters:
- name: NAME
  cluster:
    server: SERVER
    certificate-authority-data: CA
users:
- name: USER
  user:
    client-certificate-data: CERT
    client-key-data: KEY
`)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", user, err)
	}
	return os.Rename(path+".new", path)
}
