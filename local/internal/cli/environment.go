// Package cli holds the verbs of the command local, one file each: they read
// flags and put the other packages together.
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

// environment is what every verb starts from.
type environment struct {
	cluster  cluster.Cluster
	reporter *progress.Reporter
	// root is the checkout's folder; cache outlives clusters and checkouts.
	root, cache string
}

func (e *environment) module() string { return filepath.Join(e.root, "local") }

func (e *environment) binaries() binary.Cache {
	return binary.Cache{Dir: e.cache, Module: e.module(), Reporter: e.reporter}
}

// version is what the images are tagged with.
func (e *environment) version() (string, error) {
	data, err := os.ReadFile(filepath.Join(e.root, "VERSION"))
	if err != nil {
		return "", fmt.Errorf("read the checkout's version: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// findRoot looks for the checkout upwards from the working folder.
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
			return "", errors.New("this is no checkout of DevServer: run local inside one, or give it with --root")
		}
	}
}

// cacheDir is DEVSERVER_CACHE, or where the user's caches are.
func cacheDir() (string, error) {
	if dir := os.Getenv("DEVSERVER_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the cache (set DEVSERVER_CACHE): %w", err)
	}
	return filepath.Join(dir, "devserver"), nil
}

// needRoot fails early and in words where a later failure would be obscure.
func needRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("a cluster needs root: namespaces, mounts and control groups")
	}
	return nil
}
