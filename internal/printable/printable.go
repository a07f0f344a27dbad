// Package printable makes what somebody else decides fit to be shown to people:
// a box says what it likes, and it comes to everybody's terminal.
package printable

import (
	"strings"
	"unicode"
)

// Line is the text as one line: with a blank for each line break and the like, a
// question mark for what a terminal would not show but obey, and an ellipsis in
// place of what is beyond longest characters; 0 is no bound.
func Line(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		default:
			return '?'
		}
	}, text)
	if runes := []rune(text); longest > 0 && len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return text
}
