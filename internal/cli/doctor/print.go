package doctor

import (
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/printable"
)

var signs = map[Level]string{
	OK:      lipgloss.NewStyle().Foreground(lipgloss.Green).Render("✓"),
	Warning: lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render("!"),
	Failure: lipgloss.NewStyle().Foreground(lipgloss.Red).Render("✗"),
	Unknown: lipgloss.NewStyle().Faint(true).Render("?"),
}

// show writes a line for each finding, and its remedy below it. On a terminal both
// wrap in their column.
func show(w io.Writer, findings []Finding) error {
	const indent = 17 // the sign, the check's name and the blanks around it
	width := output.Width(w)
	var out strings.Builder
	for _, f := range findings {
		found := f.Found
		if len(f.Nodes) > 0 {
			found = some(f.Nodes) + ": " + found
		}
		out.WriteString(signs[f.Level] + printable.Sprintf(" %-13s  ", f.Check) + output.Wrap(printable.Prose(found, 0), width, indent) + "\n")
		if f.Remedy != "" {
			out.WriteString(strings.Repeat(" ", indent) + "→ " + output.Wrap(printable.Prose(f.Remedy, 0), width, indent+2) + "\n")
		}
	}
	_, err := output.Styled(w, out.String())
	return err
}

// some names the first nodes and counts the others: "a, b, c and 97 more nodes".
func some(nodes []string) string {
	const named = 3
	last := len(nodes) - 1
	switch {
	case last == 0:
		return nodes[0]
	case last < named:
		return strings.Join(nodes[:last], ", ") + " and " + nodes[last]
	}
	return strings.Join(nodes[:named], ", ") + " and " + output.Count(len(nodes)-named, "more node")
}
