// Package suggest finds the names that a mistyped one may stand for.
package suggest

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

const (
	// farthest is how many edits a name may be away from what was typed. A swap of
	// two letters is two edits.
	farthest = 2
	// most is how many names are suggested.
	most = 3
)

// Similar returns the names that begin with what was typed, or else those that
// are the fewest edits away, joined with "or"; empty if none is close. It may
// differ in at most half of the typed letters.
func Similar(typed string, names []string) string {
	var found []string
	nearest := min(farthest, len(typed)/2)
	for _, name := range names {
		distance := levenshtein.ComputeDistance(typed, name)
		if strings.HasPrefix(name, typed) {
			distance = 1
		}
		if distance < nearest {
			found, nearest = nil, distance
		}
		if distance == nearest {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return strings.Join(found[:min(len(found), most)], " or ")
}
