package cli

import (
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/why"
)

// devctl why offers only commands and flags that exist.
func TestWhyOffersCommandsThatExist(t *testing.T) {
	ds := &devserverv1.DevServer{}
	ds.Namespace, ds.Name = "team", "web"
	for _, line := range why.Commands(ds) {
		words := strings.Fields(line)
		if words[0] != "devctl" {
			continue
		}
		cmd, args, err := NewCommand("devctl", genericiooptions.IOStreams{}).Find(words[1:])
		if err != nil || cmd.Name() != words[1] {
			t.Errorf("%s: there is no such command (%v)", line, err)
			continue
		}
		if err := cmd.ParseFlags(args); err != nil && !strings.Contains(line, "SIZE") { // SIZE stands for a quantity.
			t.Errorf("%s: %v", line, err)
		}
	}
}
