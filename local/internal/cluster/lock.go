package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lock creates the cluster's folders and locks them until the returned function is
// called. It locks the folder itself, so `down` leaves no lock file behind. The
// folder can be removed and recreated during the wait, so it is checked again after
// locking.
func (c Cluster) Lock(ctx context.Context) (release func(), err error) {
	return lockFolder(ctx, c.State(), "another command is working on cluster "+c.Name)
}

// LockAll locks all clusters of the machine, for choosing what must be unique among them.
func LockAll(ctx context.Context) (release func(), err error) {
	return lockFolder(ctx, stateRoot, "another command is creating a cluster")
}

// Prune removes the folders above the clusters if no cluster is left.
func Prune() {
	// If it is not empty, other clusters exist, which is no error.
	_ = os.Remove(runRoot)
	_ = os.Remove(stateRoot)
}

func lockFolder(ctx context.Context, path, busy string) (func(), error) {
	for {
		dir, err := openFolder(path)
		if err != nil {
			return nil, err
		}
		if err := waitFor(ctx, dir, busy); err != nil {
			dir.Close()
			return nil, err
		}
		if same(dir, path) {
			return func() { dir.Close() }, nil
		}
		dir.Close()
	}
}

func openFolder(path string) (*os.File, error) {
	for {
		// For 0711, see stateRoot.
		if err := os.MkdirAll(path, 0o711); err != nil {
			return nil, fmt.Errorf("create the folder %s: %w", path, err)
		}
		// MkdirAll is subject to the umask.
		for _, dir := range []string{stateRoot, path} {
			if err := os.Chmod(dir, 0o711); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, fmt.Errorf("make the folder %s passable: %w", dir, err)
			}
		}
		dir, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open the folder %s: %w", path, err)
		}
		return dir, nil
	}
}

func waitFor(ctx context.Context, dir *os.File, busy string) error {
	deadline := time.Now().Add(15 * time.Minute)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("lock %s: %w", dir.Name(), err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("gave up waiting: %s", busy)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped waiting (%s): %w", busy, ctx.Err())
		case <-tick.C:
		}
	}
}

func same(dir *os.File, path string) bool {
	held, err := dir.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return err == nil && os.SameFile(held, now)
}
