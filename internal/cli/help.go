package cli

import (
	"cmp"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"devserver.io/devserver/internal/cli/output"
)

const (
	// widest is how many columns help has at most, and if it is not on a terminal.
	widest = 80
	// narrowest keeps descriptions readable beside the names of flags.
	narrowest = 50
)

// columns is the width for help on a stream.
func columns(stream io.Writer) int {
	return max(narrowest, min(widest, cmp.Or(output.Width(stream), widest)))
}

// printHelp is cobra's help, with lines that fit the terminal.
func printHelp(cmd *cobra.Command, _ []string) {
	width := columns(cmd.OutOrStdout())
	_, _ = output.Lines(cmd.OutOrStdout(), fill(cmp.Or(cmd.Long, cmd.Short), width)+"\n\n"+hang(cmd.UsageString(), width))
}

// fill breaks paragraphs anew. Indented lines, such as the exit codes, stay.
func fill(text string, width int) string {
	var lines, paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			lines = append(lines, wrap(strings.Join(paragraph, " "), width)...)
			paragraph = nil
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if line != "" && line[0] != ' ' {
			paragraph = append(paragraph, line)
			continue
		}
		end()
		lines = append(lines, line)
	}
	end()
	return hang(strings.Join(lines, "\n"), width)
}

// described matches a line with a name and its description, two or more spaces
// apart.
var described = regexp.MustCompile(`^( +\S.*?  +)(\S.*)$`)

// hang breaks the descriptions of commands and flags below their beginnings, and
// lines that are not indented at the margin.
// Examples stay as they are, to be copied.
func hang(text string, width int) string {
	var lines []string
	examples := false
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" && line[0] != ' ' {
			examples = line == "Examples:"
			lines = append(lines, wrap(line, width)...)
			continue
		}
		parts := described.FindStringSubmatch(line)
		if examples || parts == nil || len(line) <= width {
			lines = append(lines, line)
			continue
		}
		for i, words := range wrap(parts[2], max(width-len(parts[1]), width/3)) {
			if i > 0 {
				parts[1] = strings.Repeat(" ", len(parts[1]))
			}
			lines = append(lines, parts[1]+words)
		}
	}
	return strings.Join(lines, "\n")
}

// wrap breaks a text between words.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
