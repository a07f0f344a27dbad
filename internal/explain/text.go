package explain

import (
	"strings"
	"unicode/utf8"
)

// Text lays sections out in lines of at most width characters. title formats the
// titles.
func Text(sections []Section, width int, title func(string) string) string {
	var out strings.Builder
	for i, s := range sections {
		if i > 0 {
			out.WriteByte('\n')
		}
		indent := ""
		if s.Title != "" {
			out.WriteString(title(s.Title) + "\n")
			indent = "  "
		}
		for _, p := range s.Paragraphs {
			p.write(&out, indent, width)
		}
	}
	return out.String()
}

func (p Paragraph) write(out *strings.Builder, indent string, width int) {
	first, rest := indent, indent
	switch p.Kind {
	case Command:
		out.WriteString(indent + "    " + p.Text + "\n")
		return
	case Item:
		first, rest = indent+"- ", indent+"  "
	case Prose:
	}
	for i, line := range wrap(p.Text, max(20, width-len(rest))) {
		prefix := rest
		if i == 0 {
			prefix = first
		}
		out.WriteString(prefix + line + "\n")
	}
}

// wrap breaks a text at blanks only, so that dates, names and flags stay whole.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
