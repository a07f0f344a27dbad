package sshconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// place is where the user's OpenSSH configuration is.
type place struct {
	home string
	// tilde is set if ~ is the same directory for OpenSSH, which reads the user
	// database and not HOME.
	tilde bool
}

func findPlace() (place, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return place{}, fmt.Errorf("finding ~/.ssh: %w", err)
	}
	p := place{home: home, tilde: true}
	if account, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		p.tilde = filepath.Clean(account.HomeDir) == filepath.Clean(home)
	}
	return p, nil
}

func (p place) sshConfig() string  { return filepath.Join(p.home, ".ssh", "config") }
func (p place) config() string     { return filepath.Join(p.home, ".ssh", "devserver", "config") }
func (p place) knownHosts() string { return filepath.Join(p.home, ".ssh", "devserver", "known_hosts") }

// written is a path as it is written into a configuration.
func (p place) written(path string) string {
	if rest, err := filepath.Rel(p.home, path); err == nil && p.tilde {
		return "~/" + filepath.ToSlash(rest)
	}
	return path
}

// shown is a path as it is shown to the user.
func (p place) shown(path string) string {
	p.tilde = true
	return p.written(path)
}

func (p place) includeLine() string {
	path := p.written(p.config())
	if strings.ContainsAny(path, " \t") {
		path = `"` + path + `"`
	}
	return "Include " + path
}

// read returns the content of a file; empty if it does not exist.
func read(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// write replaces a file atomically, unless it has that content already. It keeps
// the mode, and writes to the target of a link: configurations are often links
// into a directory with dotfiles.
func write(path, text string) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
		if now, err := read(path); err == nil && now == text {
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
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode()&fs.ModeSymlink == 0 {
			return path, nil
		}
		if err != nil {
			return "", err
		}
		next, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return "", fmt.Errorf("%s: too many links", path)
}
