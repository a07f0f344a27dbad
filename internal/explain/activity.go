package explain

import (
	"fmt"
	"strings"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/policy"
)

// activity is whether the server is active, and by what.
func activity(f Facts) Section {
	s := Section{Title: "Activity"}
	if f.DevServer.Status.Phase != devserverv1.PhaseRunning {
		return s
	}
	s.say("%s", f.Activity())
	active := f.condition(devserverv1.ConditionActive)
	if until := f.keptAwakeUntil(); !until.IsZero() && (active == nil || active.Reason != devserverv1.ReasonKeptAwake) {
		s.say("It is kept awake until %s.", f.future(until))
	}
	switch {
	case f.Report != nil:
		f.figures(&s)
	case f.ReportError != "":
		s.say("Its current figures are not available: %s", f.ReportError)
	}
	if active != nil && active.Reason == devserverv1.ReasonIdle {
		s.say("%s", f.whatCounts())
	}
	return s
}

// Activity is a sentence about whether the server is active.
func (f Facts) Activity() string {
	active := f.condition(devserverv1.ConditionActive)
	if active == nil {
		switch p, complete := f.policy(); {
		case p.TracksActivity():
			return "Not known yet. The agent reports within a minute of the start."
		case complete:
			return fmt.Sprintf("Not tracked, because %s has no idle timeout, and no schedule that stops it.", f.Name)
		default:
			return "Not reported."
		}
	}
	last := ""
	if at := f.lastActivity(); !at.IsZero() {
		last = fmt.Sprintf(" Last recorded activity: %s.", f.past(at))
	}
	switch active.Reason {
	case devserverv1.ReasonIdle:
		return "Idle." + last
	case devserverv1.ReasonActive:
		return strings.TrimSpace("Active. " + f.DevServer.Status.Activity + last)
	case devserverv1.ReasonKeptAwake:
		if until := f.keptAwakeUntil(); !until.IsZero() {
			return fmt.Sprintf("Kept awake until %s.", f.future(until))
		}
		return f.DevServer.Status.Activity
	default:
		return "Unknown. " + f.DevServer.Status.Activity
	}
}

// whatCounts is what counts as activity. The thresholds are known only with the
// flavor.
func (f Facts) whatCounts() string {
	const always = "What counts as activity: keys typed and output on a terminal, a new SSH session, "
	const never = "An open connection alone does not count."
	if f.Flavor == nil {
		return always + "SSH traffic, CPU use, GPU use, and devserver-agent keep. " + never
	}
	p, _ := f.policy()
	t := p.Thresholds.WithDefaults()
	gpu := fmt.Sprintf("GPU use of %d%% or more, ", t.GPUPercent)
	if t.GPUPercent > 100 {
		gpu = ""
	}
	return always + fmt.Sprintf("SSH traffic beside terminals of %d KiB or more per minute, CPU use of %d%% of a core or more, %sand devserver-agent keep. ",
		max(1, t.SSHBytes>>10), max(1, t.CPUMillis/10), gpu) + never
}

// signals are the names of an agent's signals.
var signals = map[string]string{
	agentapi.SignalTerminal: "Terminals",
	agentapi.SignalSSH:      "SSH",
	agentapi.SignalCPU:      "CPU",
	agentapi.SignalGPU:      "GPU",
	agentapi.SignalKeep:     "Kept awake by",
}

// figures are what the agent reports right now.
func (f Facts) figures(s *Section) {
	s.say("Right now (asking does not count as activity):")
	for _, signal := range f.Report.Signals {
		name, value := signals[signal.Name], signal.Value
		switch {
		case name == "":
			name = signal.Name
		case signal.Name == agentapi.SignalKeep:
			if value = f.Report.KeptAwakeBy(); value == "" {
				value = "no process"
			}
		}
		counted := "no activity since the agent started"
		if signal.IdleSeconds >= 0 {
			counted = "last activity " + ago(signal.IdleSeconds)
		}
		s.add(Item, fmt.Sprintf("%s: %s (%s)", name, strings.TrimPrefix(value, name+" "), counted))
	}
}

// ago is how long ago it is, in whole minutes, or seconds below one.
func ago(seconds float64) string {
	if seconds < 1 {
		return "just now"
	}
	const longest = 10 * 365 * 24 * time.Hour // An agent can report any number.
	d := time.Duration(min(seconds, longest.Seconds()) * float64(time.Second))
	if d >= time.Minute {
		return policy.Short(d.Truncate(time.Minute)) + " ago"
	}
	return policy.Short(d.Truncate(time.Second)) + " ago"
}
