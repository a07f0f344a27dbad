// Package loop attaches files to loop devices. Like a disk, a device outlives the
// process that attached it, until it is detached.
package loop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a loop device and its file.
type Device struct {
	// Path is the device, such as /dev/loop3; File is the file attached to it.
	Path, File string
}

// ErrBusy is returned if a device cannot be claimed: its file system is mounted, or
// another process has claimed it.
var ErrBusy = errors.New("the device is in use")

// Attach attaches the file to a free device.
func Attach(file string) (Device, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return Device{}, fmt.Errorf("open the file for a loop device: %w", err)
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return Device{}, fmt.Errorf("open /dev/loop-control (is the kernel's module loop loaded?): %w", err)
	}
	defer control.Close()
	// Another process can take the free device in between.
	const attempts = 100
	for range attempts {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return Device{}, fmt.Errorf("find a free loop device: %w", err)
		}
		d := Device{Path: fmt.Sprintf("/dev/loop%d", n), File: file}
		err = d.configure(backing)
		if err == nil {
			return d, nil
		}
		if !errors.Is(err, unix.EBUSY) {
			return Device{}, fmt.Errorf("attach %s to %s: %w", file, d.Path, err)
		}
	}
	return Device{}, fmt.Errorf("attach %s: another process took each of %d free loop devices", file, attempts)
}

func (d Device) configure(backing *os.File) error {
	device, err := os.OpenFile(d.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	return unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{Fd: uint32(backing.Fd())})
}

// Below lists the devices whose files are, or were, below a folder.
func Below(dir string) ([]Device, error) {
	paths, err := filepath.Glob("/sys/block/loop*")
	if err != nil {
		return nil, err
	}
	var devices []Device
	for _, path := range paths {
		d := Device{Path: filepath.Join("/dev", filepath.Base(path))}
		if d.File, err = d.backing(); err != nil {
			return nil, fmt.Errorf("read the file of %s: %w", d.Path, err)
		}
		if strings.HasPrefix(d.File, filepath.Clean(dir)+"/") {
			devices = append(devices, d)
		}
	}
	return devices, nil
}

// backing is the path of the device's file, or empty if it has none. The kernel
// appends " (deleted)" to the path of a deleted file.
func (d Device) backing() (string, error) {
	data, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.Path), "loop", "backing_file"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return "", nil
	}
	return strings.TrimSuffix(string(data), "\n"), err
}

// Refresh grows the device to the size of its file.
func (d Device) Refresh() error {
	device, err := os.Open(d.Path)
	if err != nil {
		return fmt.Errorf("open the loop device: %w", err)
	}
	defer device.Close()
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_SET_CAPACITY, 0); err != nil {
		return fmt.Errorf("grow %s: %w", d.Path, err)
	}
	return nil
}

// Claim prevents mounting the device until the returned file is closed. It fails with
// ErrBusy if the device is in use.
func (d Device) Claim() (*os.File, error) {
	device, err := os.OpenFile(d.Path, os.O_RDONLY|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("claim %s: %w", d.Path, ErrBusy)
	}
	if err != nil {
		return nil, fmt.Errorf("claim %s: %w", d.Path, err)
	}
	return device, nil
}

// Detach detaches the device from its file: at once, or as soon as its last user,
// such as a mount, releases it.
func (d Device) Detach() error {
	device, err := os.Open(d.Path)
	if err != nil {
		return fmt.Errorf("open the loop device: %w", err)
	}
	defer device.Close()
	// The device can have another file by now. It cannot change while it is open.
	file, err := d.backing()
	if err != nil || file != d.File {
		return err
	}
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_CLR_FD, 0); err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("detach %s from %s: %w", d.Path, d.File, err)
	}
	return nil
}
