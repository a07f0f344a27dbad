package namespace

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/cluster"
)

// Enter runs f in a thread that is inside the cluster's mount namespace and the
// network namespace that netns names. Processes that f starts are born there.
// The thread is not used for anything else afterwards.
func Enter(c cluster.Cluster, netns string, f func() error) error {
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread must not return to the pool from here.
		runtime.LockOSThread()
		done <- enter(file(c), netns, f)
	}()
	return <-done
}

func enter(mntns, netns string, f func() error) error {
	network, err := os.Open(netns)
	if err != nil {
		return fmt.Errorf("open the network namespace: %w", err)
	}
	defer network.Close()
	mounts, err := os.Open(mntns)
	if err != nil {
		return fmt.Errorf("open the mount namespace: %w", err)
	}
	defer mounts.Close()
	// A thread that shares its root folder with others cannot change namespace.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("leave the process's file system context: %w", err)
	}
	if err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network namespace: %w", err)
	}
	if err := unix.Setns(int(mounts.Fd()), unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	return f()
}
