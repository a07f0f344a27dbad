package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// copyOf writes a file with the content of a volume at one moment: programs that
// write to the volume wait meanwhile. Open files are as after a crash.
func (s *Store) copyOf(ctx context.Context, path, source string) error {
	s.copying.Lock()
	defer s.copying.Unlock()
	// Do not freeze a volume while everything is being stopped.
	if err := ctx.Err(); err != nil {
		return err
	}
	release, err := s.hold(source)
	if err != nil {
		return err
	}
	err = errors.Join(copyImage(ctx, path, s.image(source)), release())
	if err != nil {
		return fmt.Errorf("copy volume %s: %w", source, err)
	}
	return nil
}

// Quiesce waits until no volume is frozen, and prevents further freezing. It is the last call.
func (s *Store) Quiesce() { s.copying.Lock() }

// copyImage copies the written parts of an image and keeps its holes.
func copyImage(ctx context.Context, to, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return err
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := target.Truncate(info.Size()); err != nil {
		return err
	}
	// Some file systems share blocks, which takes no time.
	if unix.IoctlFileClone(int(target.Fd()), int(source.Fd())) == nil {
		return target.Close()
	}
	for at := int64(0); ; {
		at, err = source.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return target.Close()
		}
		if err != nil {
			return err
		}
		end, err := source.Seek(at, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		// In chunks, so the copy can be cancelled.
		end = min(end, at+64*Step)
		if err := copyRange(target, source, at, end); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		at = end
	}
}

func copyRange(target, source *os.File, at, end int64) error {
	for _, f := range []*os.File{target, source} {
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
	}
	_, err := io.CopyN(target, source, end-at)
	return err
}

// settle makes a copy a volume of its own: it gets its own size, and a new UUID,
// without which it could not be mounted beside its source.
func (s *Store) settle(ctx context.Context, name string, size int64) error {
	if err := s.Grow(name, size); err != nil {
		return err
	}
	formatted, err := isXFS(s.image(name))
	if err != nil || !formatted {
		// The kubelet will format it.
		return err
	}
	if err := s.growMounted(ctx, name); err != nil {
		return err
	}
	return s.newUUID(ctx, name)
}

// newUUID gives the file system of a volume that is not mounted a new UUID. xfs_admin
// reads through the cache of the device, which can have the log from before the file
// system was last unmounted. It then keeps the UUID, and reports success.
func (s *Store) newUUID(ctx context.Context, name string) error {
	before, err := uuidOf(s.image(name))
	if err != nil {
		return err
	}
	if err := dropCache(s.Device(name)); err != nil {
		return err
	}
	if err := run(ctx, "xfs_admin", "-U", "generate", s.Device(name)); err != nil {
		return err
	}
	if err := dropCache(s.Device(name)); err != nil {
		return err
	}
	after, err := uuidOf(s.image(name))
	if err == nil && after == before {
		err = fmt.Errorf("xfs_admin did not change the UUID of %s", s.Device(name))
	}
	return err
}

// dropCache writes what the cache of a block device has, and empties it.
func dropCache(device string) error {
	file, err := os.OpenFile(device, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Sync(); err != nil {
		return err
	}
	if err := unix.IoctlSetInt(int(file.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("empty the cache of %s: %w", device, err)
	}
	return nil
}

// uuidOf reads the UUID from the superblock of an XFS file system.
func uuidOf(image string) (string, error) { return readAt(image, 32, 16) }

// isXFS checks the file system's magic number.
func isXFS(image string) (bool, error) {
	magic, err := readAt(image, 0, 4)
	return magic == "XFSB", err
}

func readAt(path string, offset int64, length int) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data := make([]byte, length)
	_, err = file.ReadAt(data, offset)
	return string(data), err
}

// growMounted grows the file system to the size of the volume: the kubelet grows a
// file system only if it has seen the volume grow. Mounting also replays the copy's
// log, as after a crash.
func (s *Store) growMounted(ctx context.Context, name string) error {
	dir := filepath.Join(s.root, name, "mount")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	// A crash may have left it mounted.
	_ = unix.Unmount(dir, 0)
	if err := unix.Mount(s.Device(name), dir, FileSystem, 0, "nouuid"); err != nil {
		return fmt.Errorf("mount it: %w", err)
	}
	err := run(ctx, "xfs_growfs", "-d", dir)
	if failed := unix.Unmount(dir, 0); failed != nil {
		err = errors.Join(err, fmt.Errorf("unmount it: %w", failed))
	}
	return err
}

func run(ctx context.Context, program string, args ...string) error {
	if out, err := exec.CommandContext(ctx, program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}
