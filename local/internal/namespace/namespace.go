// Package namespace keeps a cluster's mounts to itself. The node has a mount
// namespace of its own beside the network's: it sees the host's files, but what
// the kubelet and containerd mount is in nobody else's way, two kubelets do not
// meet in the folders that Kubernetes hard-codes, and removing the namespace
// removes every mount at once, even after a crash.
package namespace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/cluster"
)

// private maps folders that Kubernetes or containerd hard-code to where their
// content lies for this cluster.
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

// Ensure makes the mount namespace if it is missing and pins it to a file, so
// that parts started later join it whichever parts have died meanwhile.
func Ensure(c cluster.Cluster) error {
	if pinned(c) {
		return nil
	}
	for dir, content := range private(c) {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.MkdirAll(content, 0o711)); err != nil {
			return fmt.Errorf("make a folder for the node: %w", err)
		}
	}
	if err := os.MkdirAll(holder(c), 0o700); err != nil {
		return fmt.Errorf("make a folder for the mount namespace: %w", err)
	}
	// The kernel pins a mount namespace only in a place that does not
	// propagate into other namespaces.
	if !mounted(holder(c)) {
		if err := unix.Mount(holder(c), holder(c), "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", holder(c), err)
		}
	}
	if err := unix.Mount("", holder(c), "", unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make %s private: %w", holder(c), err)
	}
	if err := os.WriteFile(file(c), nil, 0o600); err != nil {
		return fmt.Errorf("make the file of the mount namespace: %w", err)
	}
	return create(c)
}

// Remove lets go of the mount namespace; its mounts end with its last process.
func Remove(c cluster.Cluster) error {
	// A crash may have left one on top of the other.
	for pinned(c) {
		if err := unix.Unmount(file(c), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", file(c), err)
		}
	}
	for mounted(holder(c)) {
		if err := unix.Unmount(holder(c), unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", holder(c), err)
		}
	}
	return nil
}

// UnmountBelow undoes whatever the host still has mounted in a folder.
func UnmountBelow(dir string) error {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, m := range slices.Backward(parseMounts(string(table))) {
		if m.point != dir && !strings.HasPrefix(m.point, dir+"/") {
			continue
		}
		if err := unix.Unmount(m.point, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", m.point, err)
		}
	}
	return nil
}

// Prune removes the folders that private covers, if nothing else uses them. Only
// for when no cluster is left: removing a folder undoes mounts on it in all namespaces.
func Prune() {
	for dir := range private(cluster.Cluster{}) {
		_ = os.Remove(dir)
	}
	_ = os.Remove("/var/lib/kubelet")
}

// create runs in a thread of its own, which leaves the host's namespace and ends
// with the goroutine.
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

// furnish makes a mount namespace and what is different in it.
func furnish(c cluster.Cluster) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("make a mount namespace: %w", err)
	}
	// Mounts that the host makes later still arrive here; none goes back.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts from the host: %w", err)
	}
	// Pods with mountPropagation, and user namespaces, need shared mounts.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts with pods: %w", err)
	}
	// A copy of another cluster's namespace file would keep that namespace alive.
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	for _, m := range parseMounts(string(table)) {
		if m.kind == "nsfs" {
			_ = unix.Unmount(m.point, unix.MNT_DETACH)
		}
	}
	for dir, content := range private(c) {
		if err := unix.Mount(content, dir, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s on %s: %w", content, dir, err)
		}
	}
	return nil
}

type mount struct{ point, kind string }

// parseMounts reads the format of /proc/PID/mountinfo.
func parseMounts(table string) []mount {
	var mounts []mount
	for line := range strings.Lines(table) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 5 {
			continue
		}
		kind, _, _ := strings.Cut(after, " ")
		mounts = append(mounts, mount{point: unescape.Replace(fields[4]), kind: kind})
	}
	return mounts
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func mounted(path string) bool {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return false
	}
	for _, m := range parseMounts(string(table)) {
		if m.point == path {
			return true
		}
	}
	return false
}

func pinned(c cluster.Cluster) bool { return mounted(file(c)) }
