package desired

import (
	"slices"
	"strings"
)

// ImageAllowed tells whether one of the patterns, in which "*" stands for any
// characters, is that of the image. No patterns allow everything.
func ImageAllowed(image string, patterns []string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(pattern string) bool { return matches(image, pattern) })
}

func matches(image, pattern string) bool {
	first, rest, stars := strings.Cut(pattern, "*")
	if !stars {
		return image == pattern
	}
	image, ok := strings.CutPrefix(image, first)
	if !ok {
		return false
	}
	// What stands between two stars is best found as early as possible: the rest
	// may need the room.
	for {
		var part string
		if part, rest, stars = strings.Cut(rest, "*"); !stars {
			return strings.HasSuffix(image, part)
		}
		if _, image, ok = strings.Cut(image, part); !ok {
			return false
		}
	}
}
