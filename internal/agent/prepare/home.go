package prepare

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	homeMode = 0o700
	// seedPrefix begins the name of the folder in which a new home is built.
	seedPrefix = ".devserver-seed-"
	// seededMarker is a file in the volume's root, where users do not see it. It
	// exists once the home has been seeded. A home that is empty may have been emptied
	// by its user.
	seededMarker = ".devserver-seeded"
)

// home is the server's home directory on its volume.
type home struct {
	volume, name string
	log          *slog.Logger
}

func (h home) path() string { return filepath.Join(h.volume, h.name) }

// prepare creates the home if it does not exist, and does not change one that is in use.
func (h home) prepare(image imageRoot) error {
	used, err := h.inUse()
	if err != nil {
		return err
	}
	if used {
		// The mark matters only after the user has emptied the home, so a volume root
		// that is not writable does not keep the server from starting.
		if err := h.mark(); err != nil {
			h.log.Warn("the home is not marked as seeded", "error", err)
		}
		return nil
	}
	if err := h.seed(image); err != nil {
		return err
	}
	return h.mark()
}

// inUse reports whether the home exists and has been seeded or filled.
func (h home) inUse() (bool, error) {
	info, err := os.Lstat(h.path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, h.explain("look at", err)
	}
	if !info.IsDir() {
		return false, fmt.Errorf("the home %s is not a folder: move it to another place on the volume", h.path())
	}
	if err := unix.Access(h.path(), unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return false, h.explain("use", err)
	}
	if err := h.tighten(info); err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(h.volume, seededMarker)); err == nil {
		return true, nil
	}
	entries, err := os.ReadDir(h.path())
	if err != nil {
		return false, h.explain("read", err)
	}
	return len(entries) > 0, nil
}

// tighten restores the mode of a home after a volume driver has applied fsGroup to it,
// which adds group access and the set-group-id bit: OpenSSH refuses to use keys in
// such a home. The user chose any other mode.
func (h home) tighten(info fs.FileInfo) error {
	if info.Mode()&fs.ModeSetgid == 0 {
		return nil
	}
	if err := os.Chmod(h.path(), homeMode); err != nil {
		return h.explain("set the mode of", err)
	}
	return nil
}

// seed builds the home beside its place and renames it, so that it either does not
// exist or is complete. It may replace an empty folder.
func (h home) seed(image imageRoot) error {
	if err := h.removeInterrupted(); err != nil {
		return err
	}
	fresh := filepath.Join(h.volume, seedPrefix+h.name)
	if err := os.Mkdir(fresh, homeMode); err != nil {
		return h.explain("create", err)
	}
	skel, err := image.resolve("/etc/skel")
	if err != nil {
		return err
	}
	if err := copySkel(skel, fresh, h.log); err != nil {
		return h.explain("fill from the image's /etc/skel", err)
	}
	// This clears the set-group-id bit, which is inherited from the volume's root.
	if err := os.Chmod(fresh, homeMode); err != nil {
		return h.explain("set the mode of", err)
	}
	// Not os.Rename, which refuses to replace an empty folder.
	if err := unix.Rename(fresh, h.path()); err != nil {
		return h.explain("create", err)
	}
	return nil
}

// removeInterrupted removes what a step that was killed has left behind. It makes
// folders writable first, because those from the image may not be.
func (h home) removeInterrupted() error {
	stale := filepath.Join(h.volume, seedPrefix+h.name)
	err := filepath.WalkDir(stale, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, homeMode) //nolint:gosec // No other process of the server runs yet that could replace a folder by a link.
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.RemoveAll(stale)
	}
	if err != nil {
		return h.explain("clean up after an interrupted start of", err)
	}
	return nil
}

// mark records that the home has been seeded. It comes last: if the step is killed
// before, the next one finds a home that is not empty, and so in use, or that is
// empty because the skeleton is.
func (h home) mark() error {
	file, err := os.OpenFile(filepath.Join(h.volume, seededMarker), os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return h.explain("mark as seeded", err)
	}
	return file.Close()
}

// explain returns an error that says what failed, why, and what to do.
func (h home) explain(doing string, err error) error {
	why := cause(err)
	advice := "check the volume and its driver"
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = fmt.Sprintf("uid %d may not write to the volume, because its driver ignores the pod's fsGroup: "+
			"use a StorageClass whose driver supports fsGroup, or make the volume's root writable for group %d", os.Getuid(), os.Getgid())
	case errors.Is(err, syscall.EROFS):
		advice = "the volume is mounted read-only: a home must be writable"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "the volume is full: raise the DevServer's persistentHomeSize"
	}
	return fmt.Errorf("cannot %s the home %s: %w: %s", doing, h.path(), why, advice)
}
