// Package cli has the verbs of the command local, one file each. They parse flags and
// call the other packages.
package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"devserver.io/devserver/local/internal/binary"
	"devserver.io/devserver/local/internal/cluster"
	"devserver.io/devserver/local/internal/progress"
)

// environment is what every verb uses.
type environment struct {
	cluster  cluster.Cluster
	reporter *progress.Reporter
	// root is the checkout's folder. cache is shared by clusters and checkouts.
	root, cache string
}

func (e *environment) module() string { return filepath.Join(e.root, "local") }

func (e *environment) binaries() binary.Cache {
	return binary.Cache{Dir: e.cache, Module: e.module(), Reporter: e.reporter}
}

// version is the tag of the images.
func (e *environment) version() (string, error) {
	data, err := os.ReadFile(filepath.Join(e.root, "VERSION"))
	if err != nil {
		return "", fmt.Errorf("read the checkout's version: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// findRoot finds the checkout that contains the working folder.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "local", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("not in a checkout of DevServer: change to one, or set --root")
		}
	}
}

// cacheDir is DEVSERVER_CACHE, or a folder in the user's cache folder.
func cacheDir() (string, error) {
	if dir := os.Getenv("DEVSERVER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder (set DEVSERVER_CACHE): %w", err)
	}
	return filepath.Join(dir, "devserver"), nil
}

// needRoot fails early, with a clearer message than that of a later failure.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster requires root, for namespaces, mounts and control groups")
	}
	return nil
}
