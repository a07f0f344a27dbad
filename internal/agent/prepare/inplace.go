package prepare

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"devserver.io/devserver/internal/agentapi"
)

// Place is what InPlace changes in the server itself.
type Place struct {
	// Passwd and Group are the paths of the server's own files.
	Passwd, Group string
	// UID and GID are those of the user.
	UID, GID int
	// Run is the folder of the spawner's socket.
	Run string
}

// InPlace prepares a server whose user may be root, as root, in its main container.
//
// Other servers have passwd and group mounted over those of the image. Mounted files
// cannot be replaced: useradd and most packages rename a new file over the old one,
// and fail with "Device or resource busy". So InPlace adds the user to the image's own
// files. Their changes last as long as the container.
//
// The prepare step runs as the user, so the folder of the spawner's socket belongs to the
// user. InPlace gives it to root, before a process of the user exists that could put
// another socket there.
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
	if err := errors.Join(os.Chown(p.Run, 0, 0), os.Chmod(p.Run, runMode)); err != nil {
		return fmt.Errorf("cannot deny %[2]s to write to %[1]s: %[3]w", p.Run, agentapi.User, cause(err))
	}
	return nil
}

// overwrite replaces a file of the image in one step, with the same owner and mode. It
// creates the file if it does not exist.
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
	if err := replace(resolved, strings.NewReader(text), mode, uid, gid); err != nil {
		return fmt.Errorf("cannot add the user %s to %s: %w: a server with root requires a writable root file system", agentapi.User, path, cause(err))
	}
	return nil
}
