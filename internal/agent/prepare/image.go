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

// imageRoot is the root folder of the server's image, mounted read-only.
type imageRoot string

// maxTextBytes bounds the size of the image's passwd and group.
const maxTextBytes = 4 << 20

// fallbackShell is the shell in passwd if the image has none, because programs require
// the field.
const fallbackShell = "/bin/sh"

func (r imageRoot) check() error {
	info, err := os.Stat(string(r))
	if err != nil {
		return fmt.Errorf("the server's image is not mounted at %s: %w: the cluster must support image volumes (Kubernetes 1.35)", r, cause(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("the server's image is not mounted at %s: it is not a folder", r)
	}
	return nil
}

// resolve returns the location of an absolute path in the image. It follows links as
// they resolve inside the server: /bin/sh -> /bin/busybox is the image's busybox. The
// mount is read-only, so the result stays valid.
func (r imageRoot) resolve(path string) (string, error) {
	resolved, err := securejoin.SecureJoin(string(r), path)
	if err != nil {
		return "", fmt.Errorf("cannot follow %s in the server's image: %w", path, cause(err))
	}
	return resolved, nil
}

// shell returns the path of the login shell inside the server.
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

// readText reads a file of the image. A file that does not exist is empty, because
// images built from scratch have no passwd.
func (r imageRoot) readText(path string) (string, error) {
	resolved, err := r.resolve(path)
	if err != nil {
		return "", err
	}
	// O_NONBLOCK keeps a named pipe in place of the file from blocking the step.
	file, err := os.OpenFile(resolved, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the server's image: %w", path, cause(err))
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the server's image: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() || info.Size() > maxTextBytes {
		return "", fmt.Errorf("%s of the server's image is not a text file of at most %d bytes: use another image", path, maxTextBytes)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxTextBytes))
	if err != nil {
		return "", fmt.Errorf("cannot read %s of the server's image: %w", path, cause(err))
	}
	return string(text), nil
}
