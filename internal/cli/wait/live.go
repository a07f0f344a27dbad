package wait

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/exit"
)

// redraw is how often the clock of the current stage moves.
const redraw = 100 * time.Millisecond

var (
	styleDone  = lipgloss.NewStyle().Foreground(lipgloss.Green)
	styleStuck = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	styleFaint = lipgloss.NewStyle().Faint(true)
)

// live draws the stages until the wait ends. The library handles what differs
// between terminals: width, colors and NO_COLOR, the cursor, Ctrl-C.
func (w *waiter) live(ctx context.Context, streams genericiooptions.IOStreams) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	screen := &screen{waiter: w, ctx: ctx, now: time.Now()}
	program := tea.NewProgram(screen, tea.WithInput(streams.In), tea.WithOutput(output.Raw(streams.ErrOut)), tea.WithoutSignalHandler())
	if _, err := program.Run(); err != nil {
		return fmt.Errorf("drawing on the terminal: %w", err)
	}
	return screen.err
}

// screen is the live view of a waiter.
type screen struct {
	*waiter
	ctx   context.Context
	now   time.Time
	width int
	err   error
}

type (
	// tick moves the clock.
	tick time.Time
	// news means that something may have changed, or carries the error that ends
	// the wait.
	news struct{ err error }
)

func (s *screen) Init() tea.Cmd { return tea.Batch(s.clock(), func() tea.Msg { return news{} }) }

func (s *screen) clock() tea.Cmd {
	return tea.Tick(redraw, func(t time.Time) tea.Msg { return tick(t) })
}

func (s *screen) Update(message tea.Msg) (tea.Model, tea.Cmd) {
	switch m := message.(type) {
	case tea.WindowSizeMsg:
		s.width = m.Width
	case tea.KeyPressMsg:
		if m.String() == "ctrl+c" {
			_, interrupted := s.endings()
			s.err = exit.With(exit.Interrupted, errors.New(interrupted))
			return s, tea.Quit
		}
	case tick:
		s.now = time.Time(m)
		return s, s.clock()
	case news:
		if m.err != nil {
			s.err = m.err
			return s, tea.Quit
		}
		var over bool
		s.now = time.Now()
		if _, over, s.err = s.look(s.now); over {
			return s, tea.Quit
		}
		return s, func() tea.Msg { return news{err: s.next(s.ctx)} }
	}
	return s, nil
}

func (s *screen) View() tea.View {
	var lines strings.Builder
	for _, stage := range s.progress.stages {
		lines.WriteString(s.line(stage))
		lines.WriteByte('\n')
	}
	return tea.NewView(lines.String())
}

// line draws one stage.
func (s *screen) line(st stage) string {
	sign, when, style := "·", "", styleFaint
	switch st.state {
	case done:
		sign, when, style = "✓", s.progress.when(st), styleDone
	case active:
		sign, when, style = "…", seconds(s.now.Sub(s.progress.start)), lipgloss.NewStyle()
	case stuck:
		sign, when, style = "!", seconds(s.now.Sub(s.progress.start)), styleStuck
	}
	text := fmt.Sprintf("%s %-13s  %8s  ", sign, st.name, when)
	if s.width == 0 {
		return style.Render(text) + st.detail
	}
	// A long cause wraps in its own column.
	detail := lipgloss.NewStyle().Width(max(20, s.width-lipgloss.Width(text)-1))
	return lipgloss.JoinHorizontal(lipgloss.Top, style.Render(text), strings.TrimRight(detail.Render(st.detail), " "))
}
