package loop

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const mebibyte = 1 << 20

func attach(t *testing.T, file string) Device {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices require root")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, mebibyte); err != nil {
		t.Fatal(err)
	}
	d, err := Attach(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Detach(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func size(t *testing.T, d Device) int64 {
	t.Helper()
	device, err := os.Open(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	end, err := device.Seek(0, 2)
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func TestDeviceHasSizeOfFile(t *testing.T) {
	d := attach(t, filepath.Join(t.TempDir(), "file"))
	if got := size(t, d); got != mebibyte {
		t.Errorf("the device has %d bytes", got)
	}
	if err := os.Truncate(d.File, 3*mebibyte); err != nil {
		t.Fatal(err)
	}
	if err := d.Refresh(); err != nil {
		t.Fatal(err)
	}
	if got := size(t, d); got != 3*mebibyte {
		t.Errorf("the device has %d bytes after its file grew", got)
	}
}

func TestBelowListsOnlyDevicesOfFolder(t *testing.T) {
	root := t.TempDir()
	mine, other := filepath.Join(root, "mine"), filepath.Join(root, "mine-too")
	for _, dir := range []string{mine, other} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d := attach(t, filepath.Join(mine, "file"))
	attach(t, filepath.Join(other, "file"))
	found, err := Below(mine)
	if err != nil || len(found) != 1 || found[0] != d {
		t.Fatalf("found %v (%v), want %v", found, err, d)
	}
	// A device whose file was deleted must be found too.
	if err := os.Remove(d.File); err != nil {
		t.Fatal(err)
	}
	found, err = Below(mine)
	if err != nil || len(found) != 1 || found[0].Path != d.Path || !strings.HasPrefix(found[0].File, d.File) {
		t.Fatalf("after its file was removed: found %v (%v)", found, err)
	}
	if err := found[0].Detach(); err != nil {
		t.Fatal(err)
	}
	if found, err = Below(mine); err != nil || len(found) != 0 {
		t.Errorf("after it was detached: found %v (%v)", found, err)
	}
}

func TestDetachIgnoresDeviceOfOtherFile(t *testing.T) {
	dir := t.TempDir()
	d := attach(t, filepath.Join(dir, "file"))
	stale := Device{Path: d.Path, File: filepath.Join(dir, "before")}
	if err := stale.Detach(); err != nil {
		t.Fatal(err)
	}
	if found, err := Below(dir); err != nil || len(found) != 1 {
		t.Errorf("the device of another file was detached: %v (%v)", found, err)
	}
}

func TestClaimIsExclusive(t *testing.T) {
	d := attach(t, filepath.Join(t.TempDir(), "file"))
	claim, err := d.Claim()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Claim(); !errors.Is(err, ErrBusy) {
		t.Errorf("a second claim: %v", err)
	}
	if err := unix.Mount(d.Path, t.TempDir(), "ext4", 0, ""); !errors.Is(err, unix.EBUSY) {
		t.Errorf("mounting a claimed device: %v", err)
	}
	if err := claim.Close(); err != nil {
		t.Fatal(err)
	}
	claim, err = d.Claim()
	if err != nil {
		t.Fatal(err)
	}
	claim.Close()
}
