// Package confirm asks the user before an action that cannot be undone.
package confirm

import (
	"context"
	"errors"
	"fmt"

	"charm.land/bubbles/v2/key"
	"charm.land/huh/v2"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
)

// Question is what to ask, and what a yes means.
type Question struct {
	// Title ends with a question mark: "Delete DevServer trainer?"
	Title string
	// Means says what a yes does.
	Means string
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
		return exit.With(exit.Usage, fmt.Errorf("%s: there is no terminal to ask on, so --yes is required: %s", q.Left, q.Means))
	}
	yes := q.Usual
	field := huh.NewConfirm().Title(q.Title).Description(q.Means).Affirmative(q.Yes).Negative("Cancel").Value(&yes)
	if err := Form(huh.NewForm(huh.NewGroup(field)), streams).RunWithContext(ctx); err != nil {
		return Ended(err, q.Left)
	}
	if !yes {
		return exit.With(exit.Interrupted, errors.New(q.Left))
	}
	return nil
}

// Form makes a form draw on ErrOut, because Out is for scripts, and end with Esc as
// well as Ctrl-C.
func Form(form *huh.Form, streams genericiooptions.IOStreams) *huh.Form {
	keys := huh.NewDefaultKeyMap()
	keys.Quit = key.NewBinding(key.WithKeys("ctrl+c", "esc"), key.WithHelp("esc", "cancel"))
	return form.WithKeyMap(keys).WithTheme(huh.ThemeFunc(huh.ThemeBase16)).WithInput(streams.In).WithOutput(streams.ErrOut)
}

// Ended is the error of a form that was not answered.
func Ended(err error, left string) error {
	if errors.Is(err, huh.ErrUserAborted) || errors.Is(err, huh.ErrTimeout) {
		return exit.With(exit.Interrupted, errors.New(left))
	}
	return fmt.Errorf("%s: asking on the terminal: %w", left, err)
}
