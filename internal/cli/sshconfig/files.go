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

// place is where OpenSSH's configuration of this person is.
type place struct {
	home string
	// tilde tells that OpenSSH takes ~ for the same folder. It asks the account,
	// not HOME.
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

// said is a path as people read it.
func (p place) said(path string) string {
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

// read is what a file holds; nothing if it is not there.
func read(path string) (string, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// write replaces a file as a whole, if it is to change. It keeps the mode, and a
// link stays one: configurations are often links into a folder with dotfiles.
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

// target follows links to the file itself, also where that is not there yet.
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
