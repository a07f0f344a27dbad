package why

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
)

// widest is how long a line is at most: longer ones are hard to read.
const widest = 100

// show writes a story in lines of a width, with its titles in bold where the
// terminal has that.
func show(w io.Writer, story []part, width int) error {
	title := lipgloss.NewStyle().Bold(true)
	var out strings.Builder
	for i, p := range story {
		if i > 0 {
			out.WriteByte('\n')
		}
		indent := ""
		if p.title != "" {
			out.WriteString(title.Render(p.title) + "\n")
			indent = "  "
		}
		for _, para := range p.paras {
			para.print(&out, indent, min(width, widest))
		}
	}
	_, err := lipgloss.Fprint(w, out.String())
	return err
}

// print writes a paragraph. A line to type is never broken.
func (p para) print(out *strings.Builder, indent string, width int) {
	if p.line {
		fmt.Fprintf(out, "%s    %s\n", indent, p.text)
		return
	}
	first, rest := indent, indent
	if p.item {
		first, rest = indent+"- ", indent+"  "
	}
	for i, line := range wrap(p.text, max(20, width-len(rest))) {
		prefix := rest
		if i == 0 {
			prefix = first
		}
		fmt.Fprintf(out, "%s%s\n", prefix, line)
	}
}

// wrap breaks a text between words only: dates, names and flags, which a
// terminal library breaks at their hyphens, stay whole.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case lipgloss.Width(line)+1+lipgloss.Width(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
