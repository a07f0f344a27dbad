// Package namespace isolates a cluster's mounts. The node has its own mount namespace
// in addition to that of the network. It sees the host's files, but the mounts of the
// kubelet and containerd do not affect the host, two kubelets do not share the folders
// that Kubernetes hard-codes, and removing the namespace removes every mount at once,
// even after a crash.
package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/cluster"
)

// private maps folders that Kubernetes or containerd hard-code to this cluster's
// folders.
func private(c cluster.Cluster) map[string]string {
	return map[string]string{
		"/run/containerd":                 c.Run("containerd"),
		"/var/lib/kubelet/device-plugins": c.State("kubelet", "device-plugins"),
		"/var/log/containers":             c.State("log", "containers"),
		"/var/log/pods":                   c.State("log", "pods"),
	}
}

func holder(c cluster.Cluster) string { return c.Run("ns") }

func file(c cluster.Cluster) string { return filepath.Join(holder(c), "mnt") }

// Ensure creates the mount namespace if it is missing and pins it to a file, so parts
// that start later join it even if all earlier parts have ended.
func Ensure(c cluster.Cluster) error {
	if pinned(c) {
		return nil
	}
	for dir, content := range private(c) {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(content, 0o711)); err != nil {
			return fmt.Errorf("create a folder for the node: %w", err)
		}
	}
	if err := os.MkdirAll(holder(c), 0o700); err != nil {
		return fmt.Errorf("create a folder for the mount namespace: %w", err)
	}
	// The kernel pins a mount namespace only in a mount that does not propagate to other
	// namespaces.
	if !mounted(holder(c)) {
		if err := unix.Mount(holder(c), holder(c), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", holder(c), err)
		}
	}
	if err := unix.Mount("", holder(c), "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make %s private: %w", holder(c), err)
	}
	if err := os.WriteFile(file(c), nil, 0o600); err != nil {
		return fmt.Errorf("create the file of the mount namespace: %w", err)
	}
	return create(c)
}

// Remove unpins the mount namespace. Its mounts end with its last process.
func Remove(c cluster.Cluster) error {
	for _, path := range []string{file(c), holder(c)} {
		// A crash may have left two mounts on top of each other.
		for mounted(path) {
			if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
				return fmt.Errorf("unmount %s: %w", path, err)
			}
		}
	}
	return nil
}

// UnmountBelow unmounts everything that the host has mounted in a folder.
func UnmountBelow(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, m := range slices.Backward(mounts) {
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m.Mountpoint, err)
		}
	}
	return nil
}

// Prune removes the folders that private covers, if nothing else uses them. Call it
// only if no cluster is left: removing a folder removes mounts on it in all namespaces.
func Prune() {
	for dir := range private(cluster.Cluster{}) {
		_ = os.Remove(dir)
	}
	_ = os.Remove("/var/lib/kubelet")
}

// create runs in its own thread, which leaves the host's namespace and ends with the
// goroutine.
func create(c cluster.Cluster) error {
	ready, pin := make(chan error), make(chan struct{})
	path := make(chan string, 1)
	go func() {
		runtime.LockOSThread()
		path <- fmt.Sprintf("/proc/self/task/%d/ns/mnt", unix.Gettid())
		ready <- furnish(c)
		<-pin
	}()
	task := <-path
	if err := <-ready; err != nil {
		pin <- struct{}{}
		return err
	}
	err := unix.Mount(task, file(c), "", unix.MS_BIND, "")
	pin <- struct{}{}
	if err != nil {
		return fmt.Errorf("pin the mount namespace to %s: %w", file(c), err)
	}
	return nil
}

// furnish creates a mount namespace and its private mounts.
func furnish(c cluster.Cluster) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("create a mount namespace: %w", err)
	}
	// Later mounts of the host propagate to here; none propagate back.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("stop mounts from propagating to the host: %w", err)
	}
	// Pods with mountPropagation, and user namespaces, require shared mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts with pods: %w", err)
	}
	// A copy of another cluster's namespace file would keep that namespace alive.
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("nsfs"))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, m := range mounts {
		_ = unix.Unmount(m.Mountpoint, unix.MNT_DETACH)
	}
	for dir, content := range private(c) {
		if err := unix.Mount(content, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", content, dir, err)
		}
	}
	return nil
}

func mounted(path string) bool {
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(path))
	return err == nil && len(mounts) > 0
}

func pinned(c cluster.Cluster) bool { return mounted(file(c)) }
