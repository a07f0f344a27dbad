// Package printable makes untrusted text safe to print on a terminal. Users choose the
// names, images and variables of their servers, containers choose what they report, and
// other users and admins see it.
//
// A character that a terminal acts on, or that is invisible, is written as in Go: \x1b,
// \n, \u202e, \U000e0041, and \xff for a byte that is not UTF-8. Text that has been
// through a function of this package is not changed by another of them.
package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line returns text as one line: it shows line breaks and tabs as \n and \t. If the line
// has more than longest characters, it is cut to that length and ends in an ellipsis; 0
// means no limit.
func Line(text string, longest int) string {
	if (longest == 0 || len(text) <= longest) && isPlain(text) {
		return text
	}
	var line strings.Builder
	length, room := 0, 0 // room is how many bytes of line fit before an ellipsis.
	for text != "" {
		shown, size := first(text)
		text = text[size:]
		line.WriteString(shown)
		if length += utf8.RuneCountInString(shown); length < longest {
			room = line.Len()
		}
	}
	if longest > 0 && length > longest {
		return line.String()[:room] + "…"
	}
	return line.String()
}

// Prose is Line for sentences, which mean the same if their line breaks and tabs are
// blanks. Several blanks become one.
func Prose(text string, longest int) string {
	return Line(strings.Join(strings.Fields(text), " "), longest)
}

// Text returns text that may have several lines. It keeps line feeds and tabs.
func Text(text string) string { return lines(text, false) }

// Colored is Text that keeps the escape sequences for colors and other styles. A style
// ends with its line.
func Colored(text string) string { return lines(text, true) }

func lines(text string, colored bool) string {
	if isPlain(text) {
		return text
	}
	var all strings.Builder
	styled := false
	end := func() {
		if styled {
			all.WriteString(plain)
		}
		styled = false
	}
	for text != "" {
		if style := styleOf(text); colored && style != "" {
			all.WriteString(style)
			styled = style != plain && style != "\x1b[m"
			text = text[len(style):]
			continue
		}
		switch text[0] {
		case '\n':
			end()
			fallthrough
		case '\t':
			all.WriteByte(text[0])
			text = text[1:]
			continue
		}
		shown, size := first(text)
		text = text[size:]
		all.WriteString(shown)
	}
	end()
	return all.String()
}

// plain is the escape sequence that ends all styles.
const plain = "\x1b[0m"

// styleOf returns the escape sequence for a style with which text begins; "" if it does
// not begin with one.
func styleOf(text string) string {
	const longest = 32 // The styles that programs use are shorter.
	if !strings.HasPrefix(text, "\x1b[") {
		return ""
	}
	for i := 2; i < min(len(text), longest); i++ {
		switch c := text[i]; {
		case c == 'm':
			return text[:i+1]
		case (c < '0' || c > '9') && c != ';' && c != ':':
			return ""
		}
	}
	return ""
}

// Sprintf is fmt.Sprintf with each argument made one line. The format is trusted.
func Sprintf(format string, args ...any) string {
	if false {
		_ = fmt.Sprintf(format, args...) // So that go vet checks the calls.
	}
	safe := make([]any, len(args))
	for i, value := range args {
		switch value.(type) {
		case nil, bool, int, int32, int64, float64: // A width can be an int, as for %*s.
			safe[i] = value
		default:
			safe[i] = formatted{value}
		}
	}
	return fmt.Sprintf(format, safe...)
}

// formatted formats a value as one line.
type formatted struct{ value any }

// Format implements fmt.Formatter. A width counts what is printed.
func (f formatted) Format(s fmt.State, verb rune) {
	value := f.value
	if text, ok := value.(string); ok && verb != 'q' {
		value = Line(text, 0)
	}
	_, _ = fmt.Fprint(s, Line(fmt.Sprintf(fmt.FormatString(s, verb), value), 0))
}

// isPlain tells whether text consists of printable ASCII characters.
func isPlain(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// first returns how the first character of a text is shown, and its size in bytes.
func first(text string) (shown string, size int) {
	r, size := utf8.DecodeRuneInString(text)
	switch {
	case r == utf8.RuneError && size == 1:
		return fmt.Sprintf(`\x%02x`, text[0]), size
	case IsPrint(r):
		return text[:size], size
	case unicode.Is(unicode.Zs, r):
		return " ", size
	case r == '\n':
		return `\n`, size
	case r == '\r':
		return `\r`, size
	case r == '\t':
		return `\t`, size
	case r < 0x80:
		return fmt.Sprintf(`\x%02x`, r), size
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r), size
	}
	return fmt.Sprintf(`\U%08x`, r), size
}

// variations select variants of a character. They are invisible, and can carry any text.
// Those below U+FE10, which choose between text and emoji, cannot.
var variations = &unicode.RangeTable{R32: []unicode.Range32{{Lo: 0xe0100, Hi: 0xe01ef, Stride: 1}}}

// IsPrint tells whether a terminal shows a character and does nothing else with it. Of
// white space, that is only the blank.
func IsPrint(r rune) bool {
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, variations)
}
