// Package printable makes untrusted text safe to print on a terminal: a server's owner
// decides what the server reports, and other users and admins see it.
package printable

import (
	"strings"
	"unicode"
)

// Line returns the text as one line. White space becomes a blank, and other characters
// that are not printable, such as escape sequences, become question marks. Text with more
// than longest characters is cut to that length and ends in an ellipsis; 0 means no limit.
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
