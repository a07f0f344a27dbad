package confirm

import (
	"strings"
	"testing"

	"charm.land/huh/v2"
	"github.com/charmbracelet/x/ansi"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/testing/hostile"
)

// TestNoQuestionAttacksTheTerminal draws a question with hostile names.
func TestNoQuestionAttacksTheTerminal(t *testing.T) {
	yes := false
	q := Question{Title: "Delete " + hostile.Text + "?", Means: []string{"Deletes " + hostile.Text, "second " + hostile.Text}, Yes: "Delete"}
	form := Form(huh.NewForm(huh.NewGroup(q.field(&yes))), genericiooptions.IOStreams{In: strings.NewReader("")}).WithWidth(2000)
	form.Init()
	drawn := form.View()
	if !strings.Contains(drawn, "second v") {
		t.Errorf("the form shows only %q", drawn)
	}
	for _, fault := range hostile.Faults(ansi.Strip(drawn), "") {
		t.Error(fault)
	}
	for _, attack := range []string{"title\x07", "\x1b]", "\x9b"} {
		if strings.Contains(drawn, attack) {
			t.Errorf("the form has %q", attack)
		}
	}
}
