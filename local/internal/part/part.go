// Package part configures the parts of a Kubernetes node: it writes their
// configuration files and returns their arguments. One file for each part.
package part

import (
	"fmt"
	"os"
	"path/filepath"

	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/network"
	"devserver.io/devserver/local/internal/process"
)

// Setting is the input of the parts' configuration.
type Setting struct {
	Cluster cluster.Cluster
	Plan    network.Plan
	// Binaries is the folder of the parts' programs.
	Binaries string
	// CgroupRoot is the control group of all pods.
	CgroupRoot string
	// Taints are those that the node registers with.
	Taints []Taint
}

// Names are all parts, in the order in which they start.
var Names = []string{
	"etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "local-provisioner",
}

// NodeNames are the parts of a further node of a cluster.
var NodeNames = []string{"containerd", "kubelet", "kube-proxy"}

// PauseImage is the image that keeps a pod's namespaces open. It is loaded, never pulled.
const PauseImage = "devserver.io/pause:1"

// cniPlugins is the folder where Debian installs the plugins.
const cniPlugins = "/usr/lib/cni"

// Specs writes the configuration files of parts and returns how to run them, by name.
func Specs(s Setting, names []string) (map[string]process.Spec, error) {
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
	specs := make(map[string]process.Spec, len(names))
	for _, name := range names {
		spec, err := makers[name](s)
		if err != nil {
			return nil, fmt.Errorf("configure %s: %w", name, err)
		}
		spec.Name = name
		spec.Path = filepath.Join(s.Binaries, name)
		spec.Log = s.Cluster.Log(name)
		spec.PidFile = PidFile(s.Cluster, name)
		// A daemon must not depend on the environment of the command that started it,
		// above all not on a web proxy: it would call its own API server through it.
		spec.Env = []string{"PATH=" + s.Binaries + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"}
		specs[name] = spec
	}
	return specs, nil
}

// Disks is the folder of the volumes with an enforced size.
func Disks(c cluster.Cluster) string { return c.State("disks") }

// PidFile is the file with the identity of a part's process.
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
