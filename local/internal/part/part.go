// Package part knows the parts of a Kubernetes node: for each one its
// configuration files, its arguments and what it needs. One file per part.
package part

import (
	"fmt"
	"os"
	"path/filepath"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/process"
)

// Setting is what the parts' configuration depends on.
type Setting struct {
	Cluster cluster.Cluster
	Plan    network.Plan
	// Binaries is the folder with the parts' programs.
	Binaries string
	// CgroupRoot is the group that pods go below.
	CgroupRoot string
	// Taints are those that the node registers with.
	Taints []Taint
}

// Names of all parts, in the order in which they start.
var Names = []string{
	"etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "local-provisioner",
}

// NodeNames are those that a further node of a cluster takes.
var NodeNames = []string{"containerd", "kubelet", "kube-proxy"}

// PauseImage is what keeps a pod's namespaces open. It is loaded, never pulled.
const PauseImage = "devserver.io/pause:1"

// cniPlugins is where Debian puts the plugins.
const cniPlugins = "/usr/lib/cni"

// Specs writes the configuration files of parts and says how to run them.
func Specs(s Setting, names []string) ([]process.Spec, error) {
	makers := map[string]func(Setting) (process.Spec, error){
		"etcd":                    etcd,
		"containerd":              containerd,
		"kube-apiserver":          apiserver,
		"kube-controller-manager": controllerManager,
		"kube-scheduler":          scheduler,
		"kubelet":                 kubelet,
		"kube-proxy":              proxy,
		"coredns":                 coredns,
		"local-provisioner":       provisioner,
	}
	specs := make([]process.Spec, 0, len(names))
	for _, name := range names {
		spec, err := makers[name](s)
		if err != nil {
			return nil, fmt.Errorf("configure %s: %w", name, err)
		}
		spec.Name = name
		spec.Path = filepath.Join(s.Binaries, name)
		spec.Log = s.Cluster.Log(name)
		spec.PidFile = PidFile(s.Cluster, name)
		// A daemon must not depend on who started it: least of all on a proxy for
		// the web, through which it would look for its own API server.
		spec.Env = []string{"PATH=" + s.Binaries + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
		specs = append(specs, spec)
	}
	return specs, nil
}

// Disks is the folder for volumes with a real size.
func Disks(c cluster.Cluster) string { return c.State("disks") }

// PidFile is where the identity of a part's process is kept.
func PidFile(c cluster.Cluster, name string) string { return c.Run("pid", name) }

func (s Setting) pki(file string) string { return s.Cluster.State("pki", file) }

func (s Setting) kubeconfig(part string) string { return s.pki(part + ".kubeconfig") }

// config writes a configuration file and returns its path.
func (s Setting) config(name, content string) (string, error) {
	path := s.Cluster.State("config", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return path, nil
	}
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}
