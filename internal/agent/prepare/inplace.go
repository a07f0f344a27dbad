package prepare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"devserver.io/devserver/internal/agentapi"
)

// Place is what InPlace changes in the box itself.
type Place struct {
	// Passwd and Group are the box's own files.
	Passwd, Group string
	// UID and GID are the user's.
	UID, GID int
	// Private is the folder around the mounted keys.
	Private string
}

// InPlace makes the box of somebody who may be root, as root, in its main
// container. An ordinary box has its passwd and group mounted over the image's,
// which nothing can replace: useradd and most packages rename a new file over
// the old one, and fail with "Device or resource busy". Here the user goes into
// the image's own files, whose changes last as long as the container does.
//
// The mounted keys are readable to the user's group, because a pod has one
// group for all its volumes and the home's must be the user's. The folder around
// them keeps the user out.
func InPlace(p Place) error {
	image := imageRoot("/")
	id := identity{p.UID, p.GID}
	passwd, err := image.readText(p.Passwd)
	if err != nil {
		return err
	}
	group, err := image.readText(p.Group)
	if err != nil {
		return err
	}
	if err := overwrite(image, p.Passwd, mergePasswd(passwd, image.shell(), id)); err != nil {
		return err
	}
	if err := overwrite(image, p.Group, mergeGroup(group, id)); err != nil {
		return err
	}
	if err := errors.Join(os.Chown(p.Private, 0, 0), os.Chmod(p.Private, homeMode)); err != nil {
		return fmt.Errorf("cannot keep %s from %s: %w", p.Private, agentapi.User, cause(err))
	}
	return nil
}

// overwrite replaces a file in one step, and keeps its owner and mode.
func overwrite(image imageRoot, path, text string) error {
	resolved, err := image.resolve(path)
	if err != nil {
		return err
	}
	mode, uid, gid := fs.FileMode(0o644), 0, 0
	if info, err := os.Stat(resolved); err == nil {
		mode = info.Mode().Perm()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(stat.Uid), int(stat.Gid)
		}
	}
	fresh := resolved + ".devserver"
	err = os.MkdirAll(filepath.Dir(resolved), 0o755)
	if err == nil {
		err = write(fresh, text, mode, uid, gid)
	}
	if err == nil {
		err = os.Rename(fresh, resolved)
	}
	if err != nil {
		return fmt.Errorf("cannot put the user %s into %s: %w: a box with root needs a root file system that it can write to", agentapi.User, path, cause(err))
	}
	return nil
}

func write(path, text string, mode fs.FileMode, uid, gid int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = strings.NewReader(text).WriteTo(file)
	return errors.Join(err, file.Chown(uid, gid), file.Chmod(mode), file.Close())
}
