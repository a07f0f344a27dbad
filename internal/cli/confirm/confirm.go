// Package confirm asks a person before something that cannot be undone.
package confirm

import (
	"context"
	"errors"
	"fmt"

	"charm.land/bubbles/v2/key"
	"charm.land/huh/v2"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/exit"
	"devserver.io/devserver/internal/cli/wait"
)

// Question is what to ask, and what it means to say yes.
type Question struct {
	// Title ends with a question mark: "Delete DevServer trainer?"
	Title string
	// Means says what happens then.
	Means string
	// Yes is the word for it: "Delete".
	Yes string
	// Usual makes yes the answer to be just confirmed: where no harm is done.
	Usual bool
	// Left says what stays as it is otherwise: "nothing was deleted".
	Left string
}

// Ask returns nil if the person says yes. Without a terminal there is nobody
// to ask, and --yes has to have been given.
func Ask(ctx context.Context, q Question, streams genericiooptions.IOStreams) error {
	if !wait.OnTerminal(streams) {
		return exit.With(exit.Usage, fmt.Errorf("%s: there is no terminal to ask on, so say --yes if you are sure: %s", q.Left, q.Means))
	}
	yes := q.Usual
	field := huh.NewConfirm().Title(q.Title).Description(q.Means).Affirmative(q.Yes).Negative("Leave it").Value(&yes)
	if err := Form(huh.NewForm(huh.NewGroup(field)), streams).RunWithContext(ctx); err != nil {
		return Ended(err, q.Left)
	}
	if !yes {
		return exit.With(exit.Interrupted, errors.New(q.Left))
	}
	return nil
}

// Form makes a form draw on ErrOut, since what is on Out is for scripts, and
// end by Esc as well as by Ctrl-C.
func Form(form *huh.Form, streams genericiooptions.IOStreams) *huh.Form {
	keys := huh.NewDefaultKeyMap()
	keys.Quit = key.NewBinding(key.WithKeys("ctrl+c", "esc"), key.WithHelp("esc", "cancel"))
	return form.WithKeyMap(keys).WithTheme(huh.ThemeFunc(huh.ThemeBase16)).WithInput(streams.In).WithOutput(streams.ErrOut)
}

// Ended puts the end of a form that was not answered into words.
func Ended(err error, left string) error {
	if errors.Is(err, huh.ErrUserAborted) || errors.Is(err, huh.ErrTimeout) {
		return exit.With(exit.Interrupted, errors.New(left))
	}
	return fmt.Errorf("%s: asking on the terminal: %w", left, err)
}
