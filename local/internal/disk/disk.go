// Package disk makes volumes with a real limit, as block storage of a cloud has
// it: each is a sparse file behind a loop device, so that it takes no more room
// than what was written to it, and ends where its size says.
//
// The file system is XFS, which grows while it is mounted wherever root may
// mount. Growing a mounted ext4 takes CAP_SYS_RESOURCE, which root in a
// container may lack.
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

// Step is what sizes are multiples of.
const Step = 1 << 20

// Least is the size of the smallest volume: mkfs.xfs refuses less.
const Least = 300 * Step

// FileSystem is what volumes are to be formatted with.
const FileSystem = "xfs"

// ErrInUse is why a volume cannot be removed yet.
var ErrInUse = errors.New("the volume is still mounted")

// Store keeps a cluster's volumes, a folder for each:
//
//	NAME/image    what is in it
//	NAME/device   a link to its loop device, whose number may change
type Store struct {
	root string
	// copying is held while a volume may be frozen.
	copying sync.Mutex
}

// New keeps volumes below root.
func New(root string) *Store { return &Store{root: root} }

// Round is the size of the volume for somebody who asks for this one.
func Round(size int64) int64 {
	if size > math.MaxInt64-Step {
		return size // no file system has room for it, and it says so
	}
	return max(Least, (size+Step-1)/Step*Step)
}

// Device is where the volume's device is found, whatever its number.
func (s *Store) Device(name string) string { return filepath.Join(s.root, name, "device") }

func (s *Store) image(name string) string { return filepath.Join(s.root, name, "image") }

// Name is the volume whose device this is, if it is one of the store's.
func (s *Store) Name(device string) (name string, ok bool) {
	name = filepath.Base(filepath.Dir(device))
	return name, s.Device(name) == device
}

// Make makes a volume if it is not there yet: empty, or a copy of another one.
func (s *Store) Make(ctx context.Context, name string, size int64, source string) error {
	if err := os.MkdirAll(filepath.Dir(s.image(name)), 0o700); err != nil {
		return fmt.Errorf("make the folder of volume %s: %w", name, err)
	}
	_, err := os.Stat(s.image(name))
	if errors.Is(err, os.ErrNotExist) {
		// Half a copy must never look like a whole one.
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
		// Nobody may ask again, and without an image nobody would remove it.
		return errors.Join(fmt.Errorf("make the image of volume %s: %w", name, err), os.RemoveAll(filepath.Dir(s.image(name))))
	}
	if err := s.attach(name); err != nil || source == "" {
		return err
	}
	// A second time does no harm, after a first that did not come this far.
	if err := s.settle(ctx, name, size); err != nil {
		return fmt.Errorf("make volume %s of the copy: %w", name, err)
	}
	return nil
}

func blank(path string, size int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, size)
}

// attach makes sure that the volume has a device and that its link leads there.
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
	// Never without a link: the kubelet may look any moment.
	if err := os.Remove(link + ".new"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := errors.Join(os.Symlink(devices[0].Path, link+".new"), os.Rename(link+".new", link)); err != nil {
		return fmt.Errorf("link the device of volume %s: %w", name, err)
	}
	return nil
}

// AttachAll gives every volume its device again. It is for before the kubelet
// starts: devices end with the machine's boot, and a link may by then lead to
// somebody else's.
func (s *Store) AttachAll() error {
	entries, err := os.ReadDir(s.root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the volumes: %w", err)
	}
	for _, e := range entries {
		// One that was being made has no image yet.
		if _, err := os.Stat(s.image(e.Name())); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := s.attach(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Grow makes the volume larger, mounted or not. What is on it grows later: its
// file system is the kubelet's.
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

// Remove ends the volume and what is on it. It fails with ErrInUse while the
// volume is mounted.
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

// DetachAll takes the devices of all volumes away; one that is mounted goes when
// it is unmounted.
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

// AwaitDetached waits until no volume has a device any more.
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
			return fmt.Errorf("%s still holds %s: something outside the cluster uses it", devices[0].Path, devices[0].File)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
