package sshconfig

import (
	"path/filepath"
	"strings"
)

// withInclude puts the line before everything else: behind a Host line it would
// count for that host alone.
func withInclude(text, line string) string { return line + "\n" + text }

// withoutInclude takes the line out again, wherever it is by now.
func withoutInclude(text, line string) string {
	var kept strings.Builder
	for l := range strings.Lines(text) {
		if strings.TrimSpace(l) != line {
			kept.WriteString(l)
		}
	}
	return kept.String()
}

// includes tells whether an OpenSSH configuration includes a file for all hosts,
// in whichever words. home is what ~ stands for.
func includes(text, file, home string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		end := strings.IndexAny(line, " \t=")
		if end < 0 {
			continue
		}
		switch strings.ToLower(line[:end]) {
		case "host", "match":
			return false
		case "include":
			for pattern := range strings.FieldsSeq(strings.TrimLeft(line[end:], " \t=")) {
				if same, err := filepath.Match(resolve(strings.Trim(pattern, `"`), home), file); err == nil && same {
					return true
				}
			}
		}
	}
	return false
}

// resolve says which files OpenSSH takes a pattern for.
func resolve(pattern, home string) string {
	if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
		return filepath.Join(home, rest)
	}
	if !filepath.IsAbs(pattern) {
		return filepath.Join(home, ".ssh", pattern)
	}
	return filepath.Clean(pattern)
}
