package namespace

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/cluster"
)

// Enter runs f in a thread inside the cluster's mount namespace and the network
// namespace netns. Processes that f starts are in them too. The thread is not used
// for anything else afterwards.
func Enter(c cluster.Cluster, netns string, f func() error) error {
	return apart(func() error {
		network, err := os.Open(netns)
		if err != nil {
			return fmt.Errorf("open the network namespace: %w", err)
		}
		defer network.Close()
		if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		return amongMounts(c, f)
	})
}

// AmongMounts runs f in a thread inside the cluster's mount namespace. If the
// namespace does not exist, it does nothing.
func AmongMounts(c cluster.Cluster, f func() error) error {
	if !pinned(c) {
		return nil
	}
	return apart(func() error { return amongMounts(c, f) })
}

// apart runs f in a thread that ends with it.
func apart(f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread must not return to the runtime's pool.
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

func amongMounts(c cluster.Cluster, f func() error) error {
	mounts, err := os.Open(file(c))
	if err != nil {
		return fmt.Errorf("open the mount namespace: %w", err)
	}
	defer mounts.Close()
	// A thread that shares its root folder with others cannot change its namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare the file system context: %w", err)
	}
	if err := unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	return f()
}
