// Package confirm asks the user before an action that cannot be undone.
package confirm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/huh/v2"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/printable"
)

// Question is what to ask, and what a yes means.
type Question struct {
	// Title ends with a question mark: "Delete DevServer trainer?"
	Title string
	// Means says what a yes does, in sentences that are a line each.
	Means []string
	// Yes is the button for yes: "Delete".
	Yes string
	// Usual preselects yes, for an action that does no harm.
	Usual bool
	// Left says the result of a no: "nothing was deleted".
	Left string
}

// Ask returns nil if the user says yes. Without a terminal it cannot ask, and
// returns an error that names --yes.
func Ask(ctx context.Context, q Question, streams genericiooptions.IOStreams) error {
	if !wait.OnTerminal(streams) {
		return exit.With(exit.Usage, fmt.Errorf("%s: there is no terminal to ask on, so --yes is required: %s", q.Left, strings.Join(q.Means, " ")))
	}
	yes := q.Usual
	field := q.field(&yes)
	if err := Form(huh.NewForm(huh.NewGroup(field)), streams).RunWithContext(ctx); err != nil {
		return Ended(err, q.Left)
	}
	if !yes {
		return exit.With(exit.Interrupted, errors.New(q.Left))
	}
	return nil
}

// field asks the question. Names and messages in it are made printable.
func (q Question) field(yes *bool) huh.Field {
	means := make([]string, len(q.Means))
	for i, sentence := range q.Means {
		means[i] = printable.Prose(sentence, 0)
	}
	return huh.NewConfirm().Title(printable.Prose(q.Title, 0)).Description(strings.Join(means, "\n")).
		Affirmative(q.Yes).Negative("Cancel").Value(yes)
}

// Form makes a form draw on ErrOut, because Out is for scripts, and end with Esc as
// well as Ctrl-C.
func Form(form *huh.Form, streams genericiooptions.IOStreams) *huh.Form {
	keys := huh.NewDefaultKeyMap()
	keys.Quit = key.NewBinding(key.WithKeys("ctrl+c", "esc"), key.WithHelp("esc", "cancel"))
	return form.WithKeyMap(keys).WithTheme(huh.ThemeFunc(huh.ThemeBase16)).WithInput(streams.In).WithOutput(output.Raw(streams.ErrOut))
}

// Ended is the error of a form that was not answered.
func Ended(err error, left string) error {
	if errors.Is(err, huh.ErrUserAborted) || errors.Is(err, huh.ErrTimeout) {
		return exit.With(exit.Interrupted, errors.New(left))
	}
	return fmt.Errorf("%s: asking on the terminal: %w", left, err)
}
