// Package loop gives files loop devices. A device outlives the process that
// asked for it, as a disk of a machine would, until it is detached.
package loop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Device is a loop device with a file behind it.
type Device struct {
	// Path is the device, such as /dev/loop3; File is what is behind it.
	Path, File string
}

// ErrBusy is why a device cannot be claimed: its file system is mounted, or
// somebody else claims it.
var ErrBusy = errors.New("the device is in use")

// Attach gives the file a device.
func Attach(file string) (Device, error) {
	backing, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return Device{}, fmt.Errorf("open the file for a loop device: %w", err)
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return Device{}, fmt.Errorf("ask for a loop device (is the kernel's module loop loaded?): %w", err)
	}
	defer control.Close()
	// The device that is free now may be somebody else's a moment later.
	const attempts = 100
	for range attempts {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return Device{}, fmt.Errorf("ask for a free loop device: %w", err)
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
	return Device{}, fmt.Errorf("attach %s: each of %d free loop devices was taken by somebody else", file, attempts)
}

func (d Device) configure(backing *os.File) error {
	device, err := os.OpenFile(d.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	return unix.IoctlLoopConfigure(int(device.Fd()), &unix.LoopConfig{Fd: uint32(backing.Fd())})
}

// Below lists the devices whose files lie, or lay, below a folder.
func Below(dir string) ([]Device, error) {
	paths, err := filepath.Glob("/sys/block/loop*")
	if err != nil {
		return nil, err
	}
	var devices []Device
	for _, path := range paths {
		d := Device{Path: filepath.Join("/dev", filepath.Base(path))}
		if d.File, err = d.backing(); err != nil {
			return nil, fmt.Errorf("read what is behind %s: %w", d.Path, err)
		}
		if strings.HasPrefix(d.File, filepath.Clean(dir)+"/") {
			devices = append(devices, d)
		}
	}
	return devices, nil
}

// backing is the file behind the device, or nothing if there is none. The
// kernel adds " (deleted)" to the name of a file that is gone.
func (d Device) backing() (string, error) {
	data, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(d.Path), "loop", "backing_file"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO) {
		return "", nil
	}
	return strings.TrimSuffix(string(data), "\n"), err
}

// Refresh makes the device as large as its file has become.
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

// Claim keeps the device from being mounted until the returned file is closed.
// It fails with ErrBusy if somebody uses the device.
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

// Detach takes the device from its file: at once, or as soon as the last user,
// such as a mount, lets go of it.
func (d Device) Detach() error {
	device, err := os.Open(d.Path)
	if err != nil {
		return fmt.Errorf("open the loop device: %w", err)
	}
	defer device.Close()
	// It may be somebody else's by now. While it is open it stays as it is.
	file, err := d.backing()
	if err != nil || file != d.File {
		return err
	}
	if err := unix.IoctlSetInt(int(device.Fd()), unix.LOOP_CLR_FD, 0); err != nil && !errors.Is(err, unix.ENXIO) {
		return fmt.Errorf("detach %s from %s: %w", d.Path, d.File, err)
	}
	return nil
}
