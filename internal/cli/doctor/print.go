package doctor

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
)

var signs = map[Level]string{
	OK:      lipgloss.NewStyle().Foreground(lipgloss.Green).Render("✓"),
	Warning: lipgloss.NewStyle().Foreground(lipgloss.Yellow).Render("!"),
	Failure: lipgloss.NewStyle().Foreground(lipgloss.Red).Render("✗"),
	Unknown: lipgloss.NewStyle().Faint(true).Render("?"),
}

// show writes a line for each finding, and its remedy below it.
func show(w io.Writer, findings []Finding) error {
	var out strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&out, "%s %-13s  %s\n", signs[f.Level], f.Check, f.Found)
		if f.Remedy != "" {
			fmt.Fprintf(&out, "  %-13s  %s %s\n", "", "→", f.Remedy)
		}
	}
	_, err := lipgloss.Fprint(w, out.String())
	return err
}
