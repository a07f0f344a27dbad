package why

import (
	"fmt"
	"strings"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/printable"
)

// work says why the server counts as at work, or not.
func work(f facts) part {
	p := part{title: "Is it at work?"}
	if f.devServer.Status.Phase != devserverv1.PhaseRunning {
		return p
	}
	active := f.condition(devserverv1.ConditionActive)
	switch {
	case active == nil && !f.policy().TracksActivity():
		p.say("That does not matter: nothing suspends it for want of work.")
	case active == nil:
		p.say("Nobody has asked it yet. It is asked within a minute.")
	default:
		p.say("%s", workSentence(f, active.Reason))
	}
	if until := f.keptAwakeUntil(); !until.IsZero() && (active == nil || active.Reason != devserverv1.ReasonKeptAwake) {
		p.say("It is kept until %s, whatever it does.", f.until(until))
	}
	switch {
	case f.live != nil:
		liveFigures(f, &p)
	case f.notLive != "":
		p.say("It does not say how that is at this moment: %s", f.notLive)
	}
	if active != nil && active.Reason == devserverv1.ReasonIdle {
		p.say("%s", whatCounts(f.policy().Thresholds))
	}
	return p
}

// workSentence is the answer to the question.
func workSentence(f facts, reason string) string {
	s := f.devServer.Status
	switch reason {
	case devserverv1.ReasonIdle:
		text := "No."
		if at := lastWork(f); !at.IsZero() {
			text += fmt.Sprintf(" It last was at %s.", f.since(at))
		}
		if figures := figuresIn(s.Activity); figures != "" {
			text += fmt.Sprintf(" What it showed when that was noticed: %s.", figures)
		}
		return text
	case devserverv1.ReasonActive:
		text := "Yes: " + strings.TrimPrefix(f.local(s.Activity), "At work: ")
		if at := lastWork(f); !at.IsZero() {
			text += fmt.Sprintf(" The last of it that was noted down was at %s.", f.since(at))
		}
		return text
	case devserverv1.ReasonKeptAwake:
		if until := f.keptAwakeUntil(); !until.IsZero() {
			return fmt.Sprintf("It counts as that: it is kept until %s, whatever it does.", f.until(until))
		}
		return "It counts as that. " + f.local(s.Activity)
	}
	// Unknown counts as at work, and the operator's sentence says why.
	return "Nobody knows. " + f.local(s.Activity)
}

// figuresIn takes the figures out of the operator's sentence, whose times are
// told apart.
func figuresIn(activity string) string {
	_, rest, found := strings.Cut(activity, " (")
	figures, _, closed := strings.Cut(rest, "); ")
	if !found || !closed {
		return ""
	}
	return figures
}

// whatCounts says what would have been work.
func whatCounts(t agentapi.Thresholds) string {
	t = t.WithDefaults()
	gpu := fmt.Sprintf(", GPU use from %d%% on", t.GPUPercent)
	if t.GPUPercent > 100 {
		gpu = ""
	}
	return fmt.Sprintf("What counts: keys typed and output on a terminal, a new SSH session, %d KiB a minute over SSH beside terminals, "+
		"CPU use from %d%% of a core on%s, and devserver-agent keep. A connection alone is no work.", max(1, t.SSHBytes>>10), max(1, t.CPUMillis/10), gpu)
}

// signals name what the agent watches.
var signals = map[string]string{
	agentapi.SignalTerminal: "Terminals",
	agentapi.SignalSSH:      "Connections",
	agentapi.SignalCPU:      "CPU",
	agentapi.SignalGPU:      "GPU",
	agentapi.SignalKeep:     "Asked to be kept",
}

// liveFigures are what the server shows now.
func liveFigures(f facts, p *part) {
	p.say("At this moment (to look is no work):")
	for _, s := range f.live.Signals {
		name := signals[s.Name]
		if name == "" {
			name = s.Name
		}
		counted := "no work since its start"
		if s.IdleSeconds >= 0 {
			counted = "was work " + ago(s.IdleSeconds)
		}
		p.item(fmt.Sprintf("%s: %s (%s)", name, strings.TrimPrefix(printable.Line(s.Value, 0), name+" "), counted))
	}
}

func ago(seconds float64) string {
	if seconds < 1 {
		return "just now"
	}
	d := time.Duration(seconds * float64(time.Second))
	if d >= time.Minute {
		return policy.Short(d.Truncate(time.Minute)) + " ago"
	}
	return policy.Short(d.Truncate(time.Second)) + " ago"
}
