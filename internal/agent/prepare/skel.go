package prepare

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// copySkel copies the content of one folder into another. It copies symbolic links as
// links, because they resolve inside the server. If the folder does not exist, there
// is nothing to copy.
//
// A file that the server's user may not read is left out with a warning: a home without
// it is better than a server that does not start.
func copySkel(from, to string, log *slog.Logger) error {
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		log.Warn("left out of the new home: not readable", "path", from)
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := copyEntry(filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name()), log); err != nil {
			return err
		}
	}
	return nil
}

func copyEntry(from, to string, log *slog.Logger) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case 0:
		return copyRegular(from, to, info.Mode().Perm(), log)
	case fs.ModeDir:
		if err := os.Mkdir(to, 0o700); err != nil {
			return err
		}
		if err := copySkel(from, to, log); err != nil {
			return err
		}
		// The mode comes last, because the folder may be read-only.
		return os.Chmod(to, info.Mode().Perm())
	case fs.ModeSymlink:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		return os.Symlink(target, to)
	default:
		log.Warn("left out of the new home: not a file, folder or link", "path", from)
		return nil
	}
}

func copyRegular(from, to string, mode fs.FileMode, log *slog.Logger) error {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrPermission) {
		log.Warn("left out of the new home: not readable", "path", from)
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	// Without a sync, a node that loses power after the home has been renamed into place
	// leaves empty files in a home that counts as seeded.
	return errors.Join(err, target.Chmod(mode), target.Sync(), target.Close())
}
