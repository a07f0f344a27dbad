package doctor

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"devserver.io/devserver/internal/cli/output"
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
		fmt.Fprintf(&out, "%s %-13s  %s\n", signs[f.Level], f.Check, output.Wrap(f.Found, width, indent))
		if f.Remedy != "" {
			fmt.Fprintf(&out, "  %-13s  %s %s\n", "", "→", output.Wrap(f.Remedy, width, indent+2))
		}
	}
	_, err := lipgloss.Fprint(w, out.String())
	return err
}
