// Package dotfile reads and replaces files in the user's home directory.
package dotfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Dir is devctl's directory in the one that an XDG variable names, or else in the
// usual one of the home directory.
func Dir(variable, usual string) (string, error) {
	if dir := os.Getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "devserver"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, usual, "devserver"), err
}

// Expand replaces the ~ in front of a path. A shell does not after "=".
func Expand(path string) (string, error) {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("replacing the ~ of %s: %w", path, err)
	}
	return filepath.Join(home, rest), nil
}

// Read returns the content of a file; empty if it does not exist.
func Read(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// Write replaces a file atomically, unless it has that content already. It keeps
// the mode, and writes to the target of a link: configurations are often links
// into a directory with dotfiles. A new file is private.
func Write(path, text string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if now, err := Read(path); err == nil && now == text {
			return nil
		}
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(dir, ".devctl-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	_, failed := draft.WriteString(text)
	if err := errors.Join(failed, draft.Chmod(mode), draft.Close()); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}

// target follows links to the file itself, which need not exist.
func target(path string) (string, error) {
	for range 40 {
		next, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // It is no link.
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return "", fmt.Errorf("%s: too many links", path)
}
