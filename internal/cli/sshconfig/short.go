package sshconfig

import (
	"path"
	"path/filepath"
	"slices"
	"strings"

	"devserver.io/devserver/internal/cli/dotfile"
)

// scope is the namespace whose DevServers are also hosts by their names alone. It
// can be only one: DevServers of several namespaces may have the same name.
type scope struct {
	Context   string `json:"context,omitempty"`
	Namespace string `json:"namespace"`
}

// contains tells whether a host is in the scope, which may be nil for none.
func (s *scope) contains(h host) bool {
	return s != nil && *s == scope{Context: h.Context, Namespace: h.Namespace}
}

// names are those by which OpenSSH knows a host. own are the patterns of the hosts
// in the user's own configuration. The short name is left out if one of them
// matches it: our file is included first, so it would replace the user's host.
func (s *scope) names(h host, own []string) []string {
	if !s.contains(h) || slices.ContainsFunc(own, func(pattern string) bool { return matches(pattern, h.Name) }) {
		return []string{h.Host}
	}
	return []string{h.Host, h.Name}
}

// matches tells whether a pattern is about a host of that name. "*", which most
// configurations have for defaults, is about none in particular.
func matches(pattern, name string) bool {
	if strings.Trim(pattern, "*") == "" {
		return false
	}
	ok, err := path.Match(strings.ToLower(pattern), name)
	return ok || err != nil && pattern == name
}

// deepest is how many Includes OpenSSH follows into each other.
const deepest = 16

// ownHosts are the patterns of all hosts that the user's own configuration names,
// in Host and Match lines, also in the files that it includes.
func (p place) ownHosts() ([]string, error) { return p.hostsIn(p.sshConfig(), deepest) }

func (p place) hostsIn(file string, depth int) (patterns []string, err error) {
	text, err := dotfile.Read(file)
	if err != nil || depth == 0 {
		return nil, err
	}
	for line := range strings.Lines(text) {
		keyword, words := fields(line)
		switch keyword {
		case "host":
			patterns = append(patterns, words...)
		case "match":
			patterns = append(patterns, matched(words)...)
		case "include":
			for _, pattern := range words {
				files, err := filepath.Glob(resolve(pattern, p.home))
				if err != nil {
					continue // OpenSSH includes nothing for such a pattern either.
				}
				for _, file := range files {
					if file == p.config() {
						continue
					}
					more, err := p.hostsIn(file, depth-1)
					if err != nil {
						return nil, err
					}
					patterns = append(patterns, more...)
				}
			}
		}
	}
	return patterns, nil
}

// matched are the patterns of hosts in the words of a Match line.
func matched(words []string) (patterns []string) {
	for i, word := range words[:max(len(words)-1, 0)] {
		if word = strings.ToLower(word); word == "host" || word == "originalhost" {
			patterns = append(patterns, strings.Split(words[i+1], ",")...)
		}
	}
	return patterns
}

// fields are the keyword of a line, in lower case, and what follows it.
func fields(line string) (keyword string, words []string) {
	line = strings.TrimSpace(line)
	end := strings.IndexAny(line, " \t=")
	if end < 0 {
		return strings.ToLower(line), nil
	}
	for word := range strings.FieldsSeq(strings.TrimLeft(line[end:], " \t=")) {
		words = append(words, strings.Trim(word, `"`))
	}
	return strings.ToLower(line[:end]), words
}
