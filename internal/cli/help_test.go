package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Every command has a short help, an example and a place in the help.
func TestEveryCommandIsExplained(t *testing.T) {
	root := NewCommand("devctl", genericiooptions.IOStreams{})
	var walk func(*cobra.Command)
	walk = func(parent *cobra.Command) {
		for _, cmd := range parent.Commands() {
			// Those of cobra have their examples in the long help.
			if ofCobra := parent.Name() == "completion" && cmd.Name() != "kubectl" || cmd.Name() == "help"; !ofCobra && !cmd.Hidden {
				if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
					t.Errorf("%s: the short help is %q", cmd.CommandPath(), cmd.Short)
				}
				if !strings.Contains(cmd.Example, "devctl") {
					t.Errorf("%s has no example", cmd.CommandPath())
				}
			}
			walk(cmd)
		}
	}
	walk(root)
	self := []string{"completion", "config", "help", "version"}
	for _, cmd := range root.Commands() {
		if cmd.GroupID == "" && !slices.Contains(self, cmd.Name()) {
			t.Errorf("%s is in no group", cmd.CommandPath())
		}
	}
}

// A command whose first argument is the name of a DevServer says so in a way by
// which it also understands NAME.NAMESPACE.
func TestEveryNameIsQualified(t *testing.T) {
	for _, cmd := range NewCommand("devctl", genericiooptions.IOStreams{}).Commands() {
		mentions := slices.Contains(strings.FieldsFunc(cmd.Use, func(r rune) bool { return !(r >= 'A' && r <= 'Z') }), "NAME")
		if mentions != takesName.MatchString(cmd.Use) {
			t.Errorf("%q: NAME is not read as the name of a DevServer", cmd.Use)
		}
	}
}

// Help fits into 80 columns, and into the width of a narrower terminal, without a
// change of its words. Lines of examples stay whole, to be copied.
func TestHelpFits(t *testing.T) {
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, width := range []int{60, widest} {
		for _, cmd := range append(NewCommand("devctl", genericiooptions.IOStreams{}).Commands(), NewCommand("devctl", genericiooptions.IOStreams{})) {
			usage := cmd.UsageString()
			long, flags := fill(cmd.Long, width), hang(usage, width)
			if words(long) != words(cmd.Long) || words(flags) != words(usage) {
				t.Errorf("%s: the words of the help are others", cmd.CommandPath())
			}
			before, examples, _ := strings.Cut(flags, "Examples:\n")
			_, after, _ := strings.Cut(examples, "\nFlags:\n")
			for line := range strings.Lines(long + "\n" + before + after) {
				if line = strings.TrimRight(line, "\n"); len(line) > width && !strings.HasPrefix(line, "  "+cmd.CommandPath()) {
					t.Errorf("%s has a line of %d columns, more than %d: %s", cmd.CommandPath(), len(line), width, line)
				}
			}
		}
	}
}

func TestFill(t *testing.T) {
	const text = "One two three\nfour.\n\nCodes:\n  0  all of it went well\n  1  no"
	want := "One two\nthree four.\n\nCodes:\n  0  all of\n     it went\n     well\n  1  no"
	if got := fill(text, 12); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
