package prepare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	securejoin "github.com/cyphar/filepath-securejoin"

	"devserver.io/devserver/internal/agent/environ"
)

// imageRoot is the root folder of the box's image, mounted read-only.
type imageRoot string

// maxTextBytes bounds what is read of the image's passwd and group.
const maxTextBytes = 4 << 20

// fallbackShell is what passwd names when the image has no shell at all:
// programs expect the field to be filled.
const fallbackShell = "/bin/sh"

func (r imageRoot) check() error {
	info, err := os.Stat(string(r))
	if err != nil {
		return fmt.Errorf("the box's image is not mounted at %s: %w: the cluster must support image volumes (Kubernetes 1.35)", r, cause(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("the box's image is not mounted at %s: it is not a folder", r)
	}
	return nil
}

// resolve gives the place of an absolute path of the image, following links
// as they would resolve inside the box: /bin/sh -> /bin/busybox is the
// image's busybox. The mount is read-only, so nothing changes underneath.
func (r imageRoot) resolve(path string) (string, error) {
	resolved, err := securejoin.SecureJoin(string(r), path)
	if err != nil {
		return "", fmt.Errorf("cannot follow %s in the box's image: %w", path, cause(err))
	}
	return resolved, nil
}

// shell is the path, inside the box, of the login shell.
func (r imageRoot) shell() string {
	for _, path := range environ.Shells {
		if r.executable(path) {
			return path
		}
	}
	return fallbackShell
}

func (r imageRoot) executable(path string) bool {
	resolved, err := r.resolve(path)
	if err != nil {
		return false
	}
	info, err := os.Stat(resolved)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// readText reads a file of the image; one that is missing is empty, since
// images built from scratch have no passwd.
func (r imageRoot) readText(path string) (string, error) {
	resolved, err := r.resolve(path)
	if err != nil {
		return "", err
	}
	// O_NONBLOCK: a named pipe in the place of the file must not hang the step.
	file, err := os.OpenFile(resolved, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the box's image: %w", path, cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the box's image: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() || info.Size() > maxTextBytes {
		return "", fmt.Errorf("%s of the box's image is not a text file of at most %d bytes: use another image", path, maxTextBytes)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxTextBytes))
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the box's image: %w", path, cause(err))
	}
	return string(text), nil
}
