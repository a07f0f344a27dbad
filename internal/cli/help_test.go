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
