// Package config is the user's configuration of devctl: a small YAML file with
// defaults of flags, and the command devctl config that reads and writes it.
//
// The cluster and the namespace are not in it: the kubeconfig has them, and two
// places could disagree.
package config

import (
	"fmt"
	"path/filepath"

	"devserver.io/devserver/internal/cli/dotfile"
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
	dir, err := dotfile.Dir("XDG_CONFIG_HOME", ".config")
	if err != nil {
		return "", fmt.Errorf("finding the configuration file: %w", err)
	}
	return filepath.Join(dir, "config.yaml"), nil
}

// readFile reads the file as it is; one that does not exist is empty.
func readFile(path string) (*file, error) {
	text, err := dotfile.Read(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	return parse(path, text)
}
