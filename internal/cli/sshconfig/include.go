package sshconfig

import (
	"path/filepath"
	"strings"

	"devserver.io/devserver/internal/cli/dotfile"
)

// withInclude puts the line before everything else: after a Host line it would
// apply to that host only.
func withInclude(text, line string) string { return line + "\n" + text }

// withoutInclude removes the line, wherever it is.
func withoutInclude(text, line string) string {
	var kept strings.Builder
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != line {
			kept.WriteString(l)
		}
	}
	return kept.String()
}

// Included tells whether ~/.ssh/config includes the file of devctl ssh-config. One
// that cannot be read does not.
func Included() bool {
	p, err := findPlace()
	return err == nil && p.included()
}

func (p place) included() bool {
	text, err := dotfile.Read(p.sshConfig())
	return err == nil && includes(text, p.config(), p.home)
}

// includes tells whether an OpenSSH configuration includes a file for all hosts,
// however that is written. home is what ~ stands for.
func includes(text, file, home string) bool {
	for line := range strings.Lines(text) {
		keyword, words := fields(line)
		switch keyword {
		case "host", "match":
			return false
		case "include":
			for _, pattern := range words {
				if same, err := filepath.Match(resolve(pattern, home), file); err == nil && same {
					return true
				}
			}
		}
	}
	return false
}

// resolve returns the absolute form of a pattern of files, as OpenSSH does.
func resolve(pattern, home string) string {
	if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
		return filepath.Join(home, rest)
	}
	if !filepath.IsAbs(pattern) {
		return filepath.Join(home, ".ssh", pattern)
	}
	return filepath.Clean(pattern)
}
