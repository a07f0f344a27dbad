package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Every command says what it does, shows how by an example, and has a place in
// the help.
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
