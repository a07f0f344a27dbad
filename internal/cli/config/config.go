// Package config is the user's configuration of devctl: a small YAML file with
// defaults of flags, and the command devctl config that reads and writes it.
//
// The cluster and the namespace are not in it: the kubeconfig has them, and two
// places could disagree.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Config is the user's configuration. An empty value is not set.
type Config struct {
	// Flavor, Image and HomeSize are those of a new DevServer.
	Flavor   string `json:"flavor,omitempty"`
	Image    string `json:"image,omitempty"`
	HomeSize string `json:"homeSize,omitempty"`
	// Key is the path of the public key for new DevServers, without a ~.
	Key string `json:"key,omitempty"`
	// GitHub is a user name at GitHub, and GitHubURL the server to fetch the keys
	// from, instead of https://github.com.
	GitHub    string `json:"github,omitempty"`
	GitHubURL string `json:"githubURL,omitempty"`
	// Editor is the program that devctl code opens.
	Editor string `json:"editor,omitempty"`
}

// Load reads the file. Without a file, nothing is set.
func Load() (Config, error) {
	path, err := Path()
	if err != nil {
		return Config{}, err
	}
	f, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	return f.config()
}

// Path is the path of the file, which may not exist.
func Path() (string, error) {
	if dir := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "devserver", "config.yaml"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding the configuration file: %w", err)
	}
	return filepath.Join(home, ".config", "devserver", "config.yaml"), nil
}

// expand replaces the ~ in front of a path.
func expand(path string) (string, error) {
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

// readFile reads the file as it is; one that does not exist is empty.
func readFile(path string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parse(path, text)
}
