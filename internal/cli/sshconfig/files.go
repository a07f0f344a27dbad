package sshconfig

import (
	"fmt"
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
