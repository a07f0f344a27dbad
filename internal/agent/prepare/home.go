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
	// seedPrefix names the folder that a new home is put together in.
	seedPrefix = ".devserver-seed-"
	// seededMarker remembers, in the volume's root and so out of the user's
	// sight, that the home has been seeded. An empty home alone does not say:
	// its user may have emptied it.
	seededMarker = ".devserver-seeded"
)

// home is the box's home on its volume.
type home struct {
	volume, name string
	log          *slog.Logger
}

func (h home) path() string { return filepath.Join(h.volume, h.name) }

// prepare makes the home, or leaves the one that is there alone.
func (h home) prepare(image imageRoot) error {
	used, err := h.inUse()
	if err != nil {
		return err
	}
	if used {
		// The mark only matters once the user empties the home, so a volume
		// root that may not be written to is no reason to refuse the box.
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

// inUse reports whether the home belongs to its user already.
func (h home) inUse() (bool, error) {
	info, err := os.Lstat(h.path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, h.explain("look at", err)
	}
	if !info.IsDir() {
		return false, fmt.Errorf("the home %s is not a folder: move it away from the volume", h.path())
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

// tighten undoes what a volume driver does to a home when it applies fsGroup
// to every folder: group access and the set-group-id bit, with which OpenSSH
// refuses the keys in it. Any other mode was chosen by the user.
func (h home) tighten(info fs.FileInfo) error {
	if info.Mode()&fs.ModeSetgid == 0 {
		return nil
	}
	if err := os.Chmod(h.path(), homeMode); err != nil {
		return h.explain("set the mode of", err)
	}
	return nil
}

// seed builds the home beside its place and renames it, so that a home is
// either not there or whole. Renaming onto an empty folder is allowed.
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
	// chmod clears the set-group-id bit that a volume's root passes on.
	if err := os.Chmod(fresh, homeMode); err != nil {
		return h.explain("set the mode of", err)
	}
	// Not os.Rename, which refuses to replace an empty folder.
	if err := unix.Rename(fresh, h.path()); err != nil {
		return h.explain("create", err)
	}
	return nil
}

// removeInterrupted removes what a step that was killed left behind. Folders
// from the image may lack the write permission that removing needs.
func (h home) removeInterrupted() error {
	stale := filepath.Join(h.volume, seedPrefix+h.name)
	err := filepath.WalkDir(stale, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			return os.Chmod(path, homeMode) //nolint:gosec // Nothing else of the box runs yet that could swap a folder for a link.
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

// mark comes last: a step that is killed before it finds a home that is
// either filled, and so in use, or empty because the skeleton was.
func (h home) mark() error {
	file, err := os.OpenFile(filepath.Join(h.volume, seededMarker), os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return h.explain("mark as seeded", err)
	}
	return file.Close()
}

// explain makes one sentence of what went wrong, why, and what to do.
func (h home) explain(doing string, err error) error {
	why := cause(err)
	advice := "look at the volume and its driver"
	switch {
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		advice = fmt.Sprintf("the volume does not let uid %d write, so its driver ignores the pod's fsGroup: "+
			"use a StorageClass whose driver supports fsGroup, or let group %d write to the volume's root", os.Getuid(), os.Getgid())
	case errors.Is(err, syscall.EROFS):
		advice = "the volume is mounted read-only: a home must be writable"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		advice = "the volume is full: raise the DevServer's persistentHomeSize"
	}
	return fmt.Errorf("cannot %s the home %s: %w: %s", doing, h.path(), why, advice)
}
