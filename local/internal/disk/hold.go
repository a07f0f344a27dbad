package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"devserver.io/devserver/local/internal/loop"
)

// FIFREEZE and FITHAW, which x/sys does not define.
const (
	freeze = 0xc0045877
	thaw   = 0xc0045878
)

// hold prevents changes to a volume until release is called: a mounted volume is
// frozen, another one cannot be mounted.
func (s *Store) hold(name string) (release func() error, err error) {
	devices, err := loop.Below(filepath.Dir(s.image(name)))
	if err != nil {
		return nil, err
	}
	if len(devices) != 1 {
		return nil, fmt.Errorf("volume %s has %d devices, not one", name, len(devices))
	}
	claim, err := devices[0].Claim()
	if err == nil {
		// Flush what was written to the device itself to the image.
		if err := claim.Sync(); err != nil {
			claim.Close()
			return nil, fmt.Errorf("flush volume %s: %w", name, err)
		}
		return claim.Close, nil
	}
	if !errors.Is(err, loop.ErrBusy) {
		return nil, err
	}
	mount, err := mountOf(devices[0])
	if err != nil {
		return nil, err
	}
	if mount == nil {
		return nil, fmt.Errorf("volume %s is being formatted, mounted or unmounted", name)
	}
	if err := unix.IoctlSetInt(int(mount.Fd()), freeze, 0); err != nil {
		mount.Close()
		return nil, fmt.Errorf("freeze volume %s: %w", name, err)
	}
	return func() error {
		defer mount.Close()
		if err := unix.IoctlSetInt(int(mount.Fd()), thaw, 0); err != nil {
			return fmt.Errorf("thaw volume %s: %w", name, err)
		}
		return nil
	}, nil
}

// Thaw unfreezes what a crash left frozen: a process that writes there could not
// even be killed. It must run where the volumes are mounted.
func (s *Store) Thaw() error {
	devices, err := loop.Below(s.root)
	if err != nil {
		return err
	}
	for _, d := range devices {
		mount, err := mountOf(d)
		if err != nil {
			return err
		}
		if mount == nil {
			continue
		}
		err = unix.IoctlSetInt(int(mount.Fd()), thaw, 0)
		mount.Close()
		// EINVAL means that it is not frozen.
		if err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("thaw %s: %w", d.File, err)
		}
	}
	return nil
}

// mountOf opens a folder where the device is mounted, or returns nil.
func mountOf(d loop.Device) (*os.File, error) {
	var device, found unix.Stat_t
	if err := unix.Stat(d.Path, &device); err != nil {
		return nil, fmt.Errorf("read the mounts of %s: %w", d.Path, err)
	}
	mounts, err := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) {
		return unix.Mkdev(uint32(m.Major), uint32(m.Minor)) != device.Rdev, false
	})
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	for _, m := range mounts {
		folder, err := os.Open(m.Mountpoint)
		if err != nil {
			continue
		}
		// Another mount can cover this one, or have replaced it: freezing that could stop
		// the whole machine.
		if unix.Fstat(int(folder.Fd()), &found) == nil && found.Dev == device.Rdev {
			return folder, nil
		}
		folder.Close()
	}
	return nil, nil
}
