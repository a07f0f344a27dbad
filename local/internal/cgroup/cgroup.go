// Package cgroup gives a cluster one control group for all of its processes: the
// node's own parts in "node", pods in "kubepods". The processes of a cluster are
// those in its group, even after a crash.
package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const root = "/sys/fs/cgroup"

// Group is one cluster's control group.
type Group struct {
	name string
	// trees are the hierarchies: one in version 2, one per controller in version 1.
	trees   []string
	unified bool
}

// Open finds the machine's control groups. It creates nothing.
func Open(name string) (Group, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return Group{}, fmt.Errorf("read %s: %w", root, err)
	}
	if st.Type == unix.CGROUP2_SUPER_MAGIC {
		return Group{name: name, trees: []string{root}, unified: true}, nil
	}
	trees, err := hierarchies(root)
	if err != nil {
		return Group{}, err
	}
	if !slices.Contains(trees, filepath.Join(root, "memory")) || !slices.Contains(trees, filepath.Join(root, "pids")) {
		return Group{}, fmt.Errorf("%s has no memory and pids controllers: mount version 2 control groups there, or version 1 with all controllers", root)
	}
	return Group{name: name, trees: trees}, nil
}

// Unified reports whether the machine has version 2 control groups.
func (g Group) Unified() bool { return g.unified }

// Path is the group's name in the form that the kubelet requires.
func (g Group) Path() string { return "/" + g.name }

// hierarchies lists the folders of version 1 controllers, each once: cpu and
// cpuacct are often links to one folder.
func hierarchies(root string) ([]string, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("list the control groups: %w", err)
	}
	var trees []string
	for _, e := range entries {
		tree := filepath.Join(root, e.Name())
		if _, err := os.Stat(filepath.Join(tree, "cgroup.procs")); err == nil && e.Type() != fs.ModeSymlink {
			trees = append(trees, tree)
		}
	}
	return trees, nil
}

// Ensure creates the group in every hierarchy, with a child for the node's parts.
func (g Group) Ensure() error {
	for _, tree := range g.trees {
		parent := tree
		for _, child := range []string{g.name, "node"} {
			group := filepath.Join(parent, child)
			if g.unified {
				if err := delegate(parent); err != nil {
					return err
				}
			}
			if err := os.MkdirAll(group, 0o755); err != nil {
				return fmt.Errorf("create the control group: %w", err)
			}
			if err := inherit(parent, group); err != nil {
				return err
			}
			parent = group
		}
	}
	return nil
}

// delegate enables every controller of a version 2 group for its children.
func delegate(group string) error {
	available, err := os.ReadFile(filepath.Join(group, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("list the controllers: %w", err)
	}
	for controller := range strings.FieldsSeq(string(available)) {
		err := os.WriteFile(filepath.Join(group, "cgroup.subtree_control"), []byte("+"+controller), 0)
		// Kubernetes does not require the others.
		if err != nil && slices.Contains([]string{"cpu", "cpuset", "memory", "pids"}, controller) {
			return fmt.Errorf("enable the %s controller for children of %s: %w", controller, group, err)
		}
	}
	return nil
}

// inherit sets what a new version 1 cpuset lacks: without it no process can enter.
func inherit(parent, child string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		own, err := os.ReadFile(filepath.Join(child, file))
		if err != nil || strings.TrimSpace(string(own)) != "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(child, "cgroup.controllers")); err == nil {
			continue
		}
		value, err := os.ReadFile(filepath.Join(parent, file))
		if err != nil {
			return fmt.Errorf("read the parent's %s: %w", file, err)
		}
		if err := os.WriteFile(filepath.Join(child, file), value, 0); err != nil {
			return fmt.Errorf("set %s of %s: %w", file, child, err)
		}
	}
	return nil
}

// Node opens the node's group for starting a process in it (version 2 only).
func (g Group) Node() (*os.File, error) { return os.Open(filepath.Join(g.tree(), g.name, "node")) }

// JoinThread moves the calling thread, so processes that it starts are in the group
// (version 1 only: version 2 moves whole processes). One hierarchy is enough to
// identify the cluster of a process.
func (g Group) JoinThread() error {
	return os.WriteFile(filepath.Join(g.tree(), g.name, "node", "tasks"), []byte(strconv.Itoa(unix.Gettid())), 0)
}

func (g Group) tree() string {
	if g.unified {
		return root
	}
	return filepath.Join(root, "pids")
}

// Processes lists every process in the group, in any hierarchy.
func (g Group) Processes() []int {
	found := map[int]bool{}
	for _, tree := range g.trees {
		_ = filepath.WalkDir(filepath.Join(tree, g.name), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.IsDir() {
				return nil //nolint:nilerr // a removed group has no processes
			}
			data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil //nolint:nilerr // as above
			}
			for field := range strings.FieldsSeq(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
					found[pid] = true
				}
			}
			return nil
		})
	}
	return slices.Sorted(maps.Keys(found))
}

// Remove kills every process of the group and removes the group.
func (g Group) Remove(ctx context.Context) error {
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		pids := g.Processes()
		for _, pid := range pids {
			// It may have ended since. Its process id cannot be in use again so soon in the group.
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d: %w", pid, err)
			}
		}
		err := fmt.Errorf("processes %v do not exit", pids)
		if len(pids) == 0 {
			err = g.removeFolders()
		}
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// removeFolders removes the group in all hierarchies, children first.
func (g Group) removeFolders() error {
	var failed error
	for _, tree := range g.trees {
		var dirs []string
		_ = filepath.WalkDir(filepath.Join(tree, g.name), func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, dir := range slices.Backward(dirs) {
			if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				failed = fmt.Errorf("remove the control group %s: %w", dir, err)
			}
		}
	}
	return failed
}
