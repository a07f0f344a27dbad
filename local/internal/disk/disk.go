// Package disk creates volumes with an enforced size, like a cloud's block storage:
// each is a sparse file behind a loop device. It takes only the space that was
// written, and is full at its size.
//
// The file system is XFS, which root can grow while it is mounted. Growing a mounted
// ext4 takes CAP_SYS_RESOURCE, which root in a container may lack.
package disk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"devserver.io/devserver/local/internal/loop"
)

// Step is the unit of sizes: every size is a multiple of it.
const Step = 1 << 20

// Least is the size of the smallest volume: mkfs.xfs refuses less.
const Least = 300 * Step

// FileSystem is the type of file system that volumes are formatted with.
const FileSystem = "xfs"

// ErrInUse is returned by Remove while the volume is mounted.
var ErrInUse = errors.New("the volume is still mounted")

// Store keeps a cluster's volumes, each in a folder:
//
//	NAME/image    its content
//	NAME/device   a link to its loop device, whose number can change
type Store struct {
	root string
	// copying is held while a volume may be frozen.
	copying sync.Mutex
}

// New returns a store that keeps volumes below root.
func New(root string) *Store { return &Store{root: root} }

// Round is the size of the volume that a request for this size gets.
func Round(size int64) int64 {
	if size > math.MaxInt64-Step {
		return size // too large for any file system: creating it fails
	}
	return max(Least, (size+Step-1)/Step*Step)
}

// Device is the path of the volume's device. It does not change with the device's number.
func (s *Store) Device(name string) string { return filepath.Join(s.root, name, "device") }

func (s *Store) image(name string) string { return filepath.Join(s.root, name, "image") }

// Name is the name of the volume with this device, if the volume belongs to the store.
func (s *Store) Name(device string) (name string, ok bool) {
	name = filepath.Base(filepath.Dir(device))
	return name, s.Device(name) == device
}

// Make creates a volume if it does not exist yet: empty, or a copy of another one.
func (s *Store) Make(ctx context.Context, name string, size int64, source string) error {
	if err := os.MkdirAll(filepath.Dir(s.image(name)), 0o700); err != nil {
		return fmt.Errorf("create the folder of volume %s: %w", name, err)
	}
	_, err := os.Stat(s.image(name))
	if errors.Is(err, os.ErrNotExist) {
		// A partial copy must never look like a complete one.
		unfinished := s.image(name) + ".new"
		if source == "" {
			err = blank(unfinished, size)
		} else {
			err = s.copyOf(ctx, unfinished, source)
		}
		if err == nil {
			err = os.Rename(unfinished, s.image(name))
		}
	}
	if err != nil {
		// The caller may not retry, and without an image nothing would remove the folder.
		return errors.Join(fmt.Errorf("create the image of volume %s: %w", name, err), os.RemoveAll(filepath.Dir(s.image(name))))
	}
	if err := s.attach(name); err != nil || source == "" {
		return err
	}
	// Repeating this is harmless if an earlier call stopped before it was done.
	if err := s.settle(ctx, name, size); err != nil {
		return fmt.Errorf("turn the copy into volume %s: %w", name, err)
	}
	return nil
}

func blank(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// attach makes sure that the volume has a device and that its link points to it.
func (s *Store) attach(name string) error {
	devices, err := loop.Below(filepath.Dir(s.image(name)))
	if err != nil {
		return err
	}
	if len(devices) == 0 {
		d, err := loop.Attach(s.image(name))
		if err != nil {
			return fmt.Errorf("attach volume %s: %w", name, err)
		}
		devices = append(devices, d)
	}
	link := s.Device(name)
	if to, err := os.Readlink(link); err == nil && to == devices[0].Path {
		return nil
	}
	// The link must always exist: the kubelet can read it at any moment.
	if err := os.Remove(link + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := errors.Join(os.Symlink(devices[0].Path, link+".new"), os.Rename(link+".new", link)); err != nil {
		return fmt.Errorf("link the device of volume %s: %w", name, err)
	}
	return nil
}

// AttachAll gives every volume its device again. Call it before the kubelet starts:
// devices do not survive a reboot, and afterwards a link can point to a device of
// something else.
func (s *Store) AttachAll() error {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the volumes: %w", err)
	}
	for _, e := range entries {
		// A volume that was being created has no image yet.
		if _, err := os.Stat(s.image(e.Name())); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := s.attach(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Grow makes the volume larger, whether it is mounted or not. The kubelet grows the
// file system later.
func (s *Store) Grow(name string, size int64) error {
	info, err := os.Stat(s.image(name))
	if err != nil {
		return fmt.Errorf("grow volume %s: %w", name, err)
	}
	if info.Size() < size {
		if err := os.Truncate(s.image(name), size); err != nil {
			return fmt.Errorf("grow volume %s: %w", name, err)
		}
	}
	devices, err := loop.Below(filepath.Dir(s.image(name)))
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := d.Refresh(); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the volume and its content. It fails with ErrInUse while the volume
// is mounted.
func (s *Store) Remove(name string) error {
	devices, err := loop.Below(filepath.Dir(s.image(name)))
	if err != nil {
		return err
	}
	for _, d := range devices {
		claim, err := d.Claim()
		if errors.Is(err, loop.ErrBusy) {
			return fmt.Errorf("remove volume %s: %w", name, ErrInUse)
		}
		if err != nil {
			return fmt.Errorf("remove volume %s: %w", name, err)
		}
		err = d.Detach()
		claim.Close()
		if err != nil {
			return fmt.Errorf("remove volume %s: %w", name, err)
		}
	}
	if err := os.RemoveAll(filepath.Dir(s.image(name))); err != nil {
		return fmt.Errorf("remove volume %s: %w", name, err)
	}
	return nil
}

// DetachAll detaches the devices of all volumes. That of a mounted volume is
// detached when it is unmounted.
func (s *Store) DetachAll() error {
	devices, err := loop.Below(s.root)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if err := d.Detach(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitDetached waits until no volume has a device.
func (s *Store) AwaitDetached(ctx context.Context) error {
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		devices, err := loop.Below(s.root)
		if err != nil || len(devices) == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s still has the file %s: something outside the cluster uses it", devices[0].Path, devices[0].File)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
