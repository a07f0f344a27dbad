package explain

import (
	"fmt"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
)

// phases add to the name of a phase what it means, if that is not obvious.
var phases = map[devserverv1.DevServerPhase]string{
	devserverv1.PhasePending:     "it cannot start yet",
	devserverv1.PhaseSuspending:  "it is being stopped",
	devserverv1.PhaseExpired:     "it reached its time to live and was stopped",
	devserverv1.PhaseFailed:      "it cannot run",
	devserverv1.PhaseTerminating: "it is being deleted",
}

// state is the phase, and since when.
func state(f Facts) Section {
	var s Section
	ds := f.DevServer
	phase, meaning := string(ds.Status.Phase), phases[ds.Status.Phase]
	switch {
	case phase == "":
		phase, meaning = "new", "the operator has not looked at it yet"
	case ds.Status.Phase == devserverv1.PhasePending && f.Pod != nil:
		meaning = "it waits for a node"
	}
	text := fmt.Sprintf("%s is %s", f.Name, phase)
	since, before := f.history()
	if !since.IsZero() {
		text += " since " + f.past(since)
	}
	if meaning != "" {
		text += ": " + meaning
	}
	text += "." + before + " Owner: " + ds.Spec.Owner
	if ds.Status.Flavor != "" {
		text += ", flavor: " + ds.Status.Flavor
	}
	s.say("%s.", text)
	if warning := f.stopWarning(); warning != "" {
		s.say("%s", warning)
	}
	if ds.Status.Phase == "" && f.Now.Sub(ds.CreationTimestamp.Time) > time.Minute {
		s.say("This usually takes seconds. The operator may not be running.")
		f.offer(&s, remedy{"Check the cluster:", CheckCluster})
	}
	if ds.Status.Phase != "" && ds.Status.ObservedGeneration < ds.Generation {
		s.say("It was edited, and the operator has not looked at the edit yet. Everything here describes the server before the edit.")
	}
	return s
}

// history is since when the server is in its phase, or, if that is not known, a
// sentence about an earlier time.
func (f Facts) history() (since time.Time, before string) {
	ds := f.DevServer
	s, ready := ds.Status, f.condition(devserverv1.ConditionReady)
	switch {
	case !ds.DeletionTimestamp.IsZero():
		return ds.DeletionTimestamp.Time, ""
	case s.SuspendedAt != nil:
		return s.SuspendedAt.Time, ""
	case s.Phase == devserverv1.PhaseRunning && ready != nil:
		return ready.LastTransitionTime.Time, ""
	case ready != nil && s.StartedAt != nil && s.Phase != devserverv1.PhaseRunning:
		return since, fmt.Sprintf(" It was last Running until %s.", f.past(ready.LastTransitionTime.Time))
	case s.Phase == devserverv1.PhaseRunning:
		return since, ""
	}
	return since, fmt.Sprintf(" It was created at %s.", f.past(ds.CreationTimestamp.Time))
}

// stopWarning announces a stop that is near, as the condition StopPending does.
func (f Facts) stopWarning() string {
	s := f.DevServer.Status
	if !f.isTrue(devserverv1.ConditionStopPending) {
		return ""
	}
	switch {
	case s.SuspendsAt != nil && (s.ExpiresAt == nil || s.SuspendsAt.Before(s.ExpiresAt)):
		return fmt.Sprintf("Warning: it will be suspended at %s, unless it is used before.", f.future(s.SuspendsAt.Time))
	case s.ExpiresAt != nil:
		return fmt.Sprintf("Warning: it reaches its time to live at %s and will be %s.", f.future(s.ExpiresAt.Time), f.expiryVerb())
	}
	return ""
}

// expiryVerb is what happens to the server at the end of its time to live.
func (f Facts) expiryVerb() string {
	if p, _ := f.policy(); p.OnExpire == devserverv1.ExpireDelete {
		return "deleted"
	}
	return "stopped"
}

// notes are facts that matter beside the state.
func notes(f Facts) Section {
	section := Section{Title: "Good to know"}
	s := f.DevServer.Status
	for _, kind := range []string{devserverv1.ConditionRestartPending, devserverv1.ConditionResizePending, devserverv1.ConditionHomeFull} {
		if f.isTrue(kind) {
			section.say("%s", f.condition(kind).Message)
		}
	}
	if c := f.condition(devserverv1.ConditionAccepted); c != nil && !f.isTrue(devserverv1.ConditionAccepted) && c.Reason != f.reason() {
		section.say("Edits do not take effect, and the server could not be started again: %s (%s)", c.Message, c.Reason)
	}
	if s.OOMKills > 0 {
		section.say("Processes killed since its start because the server had used all of its memory: %d. The server itself kept running.", s.OOMKills)
	}
	if last := s.LastDisruption; last != nil && last.Time != nil && last.Reason != f.reason() {
		section.say("Last disruption: %s at %s: %s", last.Reason, f.past(last.Time.Time), last.Message)
	}
	if f.Report != nil && f.Report.Home != nil {
		section.say("Its home directory has %s free of %s.", size(f.Report.Home.FreeBytes), size(f.Report.Home.SizeBytes))
	}
	return section
}

// size is a number of bytes in a unit that is easy to read.
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
