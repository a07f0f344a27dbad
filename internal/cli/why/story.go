package why

import (
	"cmp"
	"fmt"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// part of a story: paragraphs under a title.
type part struct {
	title string
	paras []para
}

// para is a paragraph, or one of a list, or, with line, a command to type.
type para struct {
	text       string
	item, line bool
}

func (p *part) say(format string, args ...any) {
	p.paras = append(p.paras, para{text: fmt.Sprintf(format, args...)})
}

func (p *part) item(text string) { p.paras = append(p.paras, para{text: text, item: true}) }

func (p *part) do(line string) { p.paras = append(p.paras, para{text: line, line: true}) }

// tell tells the whole story. Parts with nothing in them are left out.
func tell(f facts) []part {
	var told []part
	for _, p := range []part{state(f), cause(f), work(f), next(f), notes(f), advice(f)} {
		if len(p.paras) > 0 {
			told = append(told, p)
		}
	}
	return told
}

// phases say in words what a server does.
var phases = map[devserverv1.DevServerPhase]string{
	"":                           "is new: the operator has not looked at it yet",
	devserverv1.PhasePending:     "is not started, because something is in the way",
	devserverv1.PhaseStarting:    "is being started",
	devserverv1.PhaseRunning:     "runs, and you can log in",
	devserverv1.PhaseSuspending:  "is being stopped",
	devserverv1.PhaseSuspended:   "sleeps",
	devserverv1.PhaseExpired:     "was stopped, because its time to live is over",
	devserverv1.PhaseFailed:      "does not run, because something goes wrong",
	devserverv1.PhaseTerminating: "is being deleted",
}

// state says what the server does, and since when.
func state(f facts) part {
	ds := f.devServer
	p := part{}
	words := phases[ds.Status.Phase]
	if words == "" {
		words = "is " + string(ds.Status.Phase) // of a newer operator
	}
	if ds.Status.Phase == devserverv1.PhasePending && f.pod != nil {
		words = "waits for a node"
	}
	owner := "of " + ds.Spec.Owner
	if ds.Status.Flavor != "" {
		owner += ", flavor " + ds.Status.Flavor
	}
	p.say("DevServer %s (%s) %s%s.", ds.Name, owner, words, sinceWhen(f))
	if f.is(devserverv1.ConditionStopPending) {
		p.say("%s", f.local(f.condition(devserverv1.ConditionStopPending).Message))
	}
	if ds.Status.Phase == "" && f.now.Sub(ds.CreationTimestamp.Time) > time.Minute {
		p.say("That should take seconds: the operator may not be running. devctl doctor tells.")
	}
	if ds.Status.Phase != "" && ds.Status.ObservedGeneration < ds.Generation {
		p.say("It was edited, and the operator has not looked at that yet: what follows is about how it was before.")
	}
	return p
}

// sinceWhen is since when the server is in its phase, where that is known.
func sinceWhen(f facts) string {
	s := f.devServer.Status
	ready := f.condition(devserverv1.ConditionReady)
	switch {
	case !f.devServer.DeletionTimestamp.IsZero():
		return ", since " + f.since(f.devServer.DeletionTimestamp.Time)
	case s.Phase == "":
		return "; it was created " + f.since(f.devServer.CreationTimestamp.Time)
	case s.SuspendedAt != nil:
		return ", since " + f.since(s.SuspendedAt.Time)
	case s.Phase == devserverv1.PhaseRunning && ready != nil:
		return ", since " + f.since(ready.LastTransitionTime.Time)
	case ready != nil && s.StartedAt != nil:
		return "; it was last there until " + f.since(ready.LastTransitionTime.Time)
	case ready != nil:
		return "; it was created " + f.since(f.devServer.CreationTimestamp.Time)
	}
	return ""
}

// notes are what is good to know beside what it does now.
func notes(f facts) part {
	p := part{title: "Good to know"}
	s := f.devServer.Status
	for _, kind := range []string{devserverv1.ConditionRestartPending, devserverv1.ConditionResizePending, devserverv1.ConditionHomeFull} {
		if f.is(kind) {
			p.say("%s", f.local(f.condition(kind).Message))
		}
	}
	if accepted := f.condition(devserverv1.ConditionAccepted); accepted != nil && !f.is(devserverv1.ConditionAccepted) && accepted.Reason != f.reason() {
		p.say("Edits do not take effect now, and it could not be started again: %s", f.local(accepted.Message))
	}
	if s.OOMKills > 0 {
		p.say("Since its start, %d of its processes were killed because all of its memory was in use. The server itself lived on.", s.OOMKills)
	}
	if was := s.LastDisruption; was != nil && was.Time != nil && was.Reason != f.reason() {
		p.say("It was last interrupted at %s: %s", f.since(was.Time.Time), f.local(was.Message))
	}
	if f.live != nil && f.live.Home != nil {
		p.say("Its home directory has %s free of %s.", size(f.live.Home.FreeBytes), size(f.live.Home.SizeBytes))
	}
	return p
}

// cause says why it does not run, in the operator's words and with the numbers
// around them.
func cause(f facts) part {
	p := part{title: "Why"}
	ready := f.condition(devserverv1.ConditionReady)
	if ready == nil || f.devServer.Status.Phase == devserverv1.PhaseRunning {
		return p
	}
	if ready.Reason == devserverv1.ReasonStarting {
		p.say("%s Nothing is in the way.", cmp.Or(wait.Current(f.devServer, f.pod, f.claim, f.events), "It is on its way."))
		return p
	}
	p.say("%s (%s)", f.local(ready.Message), ready.Reason)
	switch ready.Reason {
	case devserverv1.ReasonUnschedulable:
		flavorCause(f, &p)
	case devserverv1.ReasonQuotaExceeded:
		quotaCause(f, &p)
	case devserverv1.ReasonIdle, devserverv1.ReasonScheduled:
		if at := lastWork(f); !at.IsZero() {
			p.say("It was last at work at %s.", f.since(at))
		}
	case devserverv1.ReasonCrashLoop, devserverv1.ReasonOOMKilled, devserverv1.ReasonPrepareFailed:
		restartCause(f, &p)
	}
	return p
}

// lastWork is the last work that the Lease knows of, else the status.
func lastWork(f facts) time.Time {
	var at time.Time
	if f.devServer.Status.LastActivityAt != nil {
		at = f.devServer.Status.LastActivityAt.Time
	}
	if f.lease != nil && f.lease.Spec.RenewTime != nil && f.lease.Spec.RenewTime.After(at) {
		at = f.lease.Spec.RenewTime.Time
	}
	return at
}

// homeFate says what becomes of the home when the DevServer is deleted.
func homeFate(f facts) string { return serverstate.HomeFate(f.devServer) }

func short(d time.Duration) string { return policy.Short(d) }

// size is a number of bytes as people read it.
func size(bytes int64) string {
	const unit = 1024
	if bytes < unit*unit {
		return fmt.Sprintf("%d KiB", bytes/unit)
	}
	value, units := float64(bytes)/unit/unit, []string{"MiB", "GiB", "TiB"}
	for value >= unit && len(units) > 1 {
		value, units = value/unit, units[1:]
	}
	return fmt.Sprintf("%.3g %s", value, units[0])
}
