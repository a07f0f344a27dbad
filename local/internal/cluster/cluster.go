// Package cluster defines where a local cluster keeps its files. Everything of a
// cluster carries its name or lies below one of its two folders, so several can run
// side by side and each can be removed without residue.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

const (
	// stateRoot survives a reboot; runRoot does not have to.
	//
	// Neither can lie in a home directory: a pod with a user namespace reads its files
	// with its own uid, so every folder above them must be passable, and /root is not.
	stateRoot = "/var/lib/devserver"
	runRoot   = "/run/devserver"
)

// The longest path that contains a name is a shim's socket,
// /run/devserver/NAME/s/HASH, and socket paths are at most 107 bytes long.
var validName = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$`)

// Cluster is the name of a local cluster. Its methods only compute paths and create nothing.
type Cluster struct {
	Name string
}

// New checks the name.
func New(name string) (Cluster, error) {
	if !validName.MatchString(name) {
		return Cluster{}, fmt.Errorf("%q is not a valid cluster name: use 1 to 20 lower-case letters, digits and dashes, starting with a letter", name)
	}
	return Cluster{Name: name}, nil
}

// State is a path in the folder for what must survive a reboot.
func (c Cluster) State(elem ...string) string {
	return filepath.Join(append([]string{stateRoot, c.Name}, elem...)...)
}

// Run is a path in the folder for sockets, process ids and mounts.
func (c Cluster) Run(elem ...string) string {
	return filepath.Join(append([]string{runRoot, c.Name}, elem...)...)
}

// Log is the log file of one part.
func (c Cluster) Log(part string) string { return c.State("log", part+".log") }

// Kubeconfig is the path of the administrator's kubeconfig, with address, CA and client certificate.
func (c Cluster) Kubeconfig() string { return c.State("kubeconfig") }

// Scope is the cluster's name among those of the whole machine: for the network
// namespace and the control group.
func (c Cluster) Scope() string { return "devserver-" + c.Name }

// Exists reports whether the cluster has a folder, complete or not.
func (c Cluster) Exists() bool {
	for _, dir := range []string{c.State(), c.Run()} {
		if _, err := os.Stat(dir); err == nil {
			return true
		}
	}
	return false
}

// Ran reports whether a cluster of this name was ever started.
func (c Cluster) Ran() bool {
	_, err := os.Stat(c.Kubeconfig())
	return err == nil
}

// homeFile contains the name of the cluster that this one is a further node of.
const homeFile = "home"

// Join records that this is a further node of the cluster home.
func (c Cluster) Join(home Cluster) error {
	if err := os.WriteFile(c.State(homeFile), []byte(home.Name), 0o600); err != nil {
		return fmt.Errorf("record that %s is a node of cluster %s: %w", c.Name, home.Name, err)
	}
	return nil
}

// Home is the cluster that this one is a further node of. If it is not, joined is false.
func (c Cluster) Home() (home Cluster, joined bool) {
	name, err := os.ReadFile(c.State(homeFile))
	if err != nil || !validName.Match(name) {
		return Cluster{}, false
	}
	return Cluster{Name: string(name)}, true
}

// Joined lists the further nodes of this cluster.
func (c Cluster) Joined() ([]Cluster, error) {
	names, err := Names()
	if err != nil {
		return nil, err
	}
	var nodes []Cluster
	for _, name := range names {
		node := Cluster{Name: name}
		if home, joined := node.Home(); joined && home == c {
			nodes = append(nodes, node)
		}
	}
	return nodes, nil
}

// Names lists the clusters that have a state folder.
func Names() ([]string, error) {
	entries, err := os.ReadDir(stateRoot)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the clusters: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && validName.MatchString(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}
