package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	devv1 "devserver.io/devserver/api/v1"
)

// Image is the image of a server: its own, else its flavor's, else the operator's.
func Image(d *devv1.DevServer, flavor *devv1.DevServerFlavor, standard string) string {
	return cmp.Or(d.Spec.Image, flavor.Spec.Image, standard)
}

// ImageRefused says why a server of the flavor may not have the image; empty
// where it may. The admin's own choice needs no permission.
func ImageRefused(image string, flavor *devv1.DevServerFlavor) string {
	if image == flavor.Spec.Image || ImageAllowed(image, flavor.Spec.AllowedImages) {
		return ""
	}
	return fmt.Sprintf("DevServerFlavor %s does not allow the image %s. It allows %s.", flavor.Name, image, strings.Join(flavor.Spec.AllowedImages, ", "))
}

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
