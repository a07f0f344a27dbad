package lifecycle

import (
	"fmt"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Reason is the reason of the Active condition.
func (a Activity) Reason() string {
	switch {
	case a.State == Unknown && a.ForeignLease:
		return devv1.ReasonObjectConflict
	case a.State == Unknown && a.AgentOutdated:
		return devv1.ReasonAgentOutdated
	case a.State == Unknown:
		return devv1.ReasonAgentUnreachable
	case a.State == KeptAwake:
		return devv1.ReasonKeptAwake
	case a.State == Idle:
		return devv1.ReasonIdle
	default:
		return devv1.ReasonActive
	}
}

// Sentence says whether the server is active, and what follows from that. It contains
// no figure that changes before the next Decision.
func (d Decision) Sentence() string {
	a := d.Activity
	switch {
	case a == nil:
		return ""
	case a.State == Unknown && a.ForeignLease:
		return "A Lease with the server's name belongs to another owner. The server counts as active, and is not suspended for being idle, until that Lease is deleted."
	case a.State == Unknown && a.AgentOutdated:
		return "The agent is too old to report activity. The server counts as active, and is not suspended for being idle, until it is restarted."
	case a.State == Unknown:
		return "The agent does not answer. The server counts as active, and is not suspended for being idle."
	case a.State == KeptAwake && !a.KeptAwakeUntil.IsZero():
		return fmt.Sprintf("Kept awake until %s.", policy.Clock(a.KeptAwakeUntil))
	case a.State == KeptAwake:
		return fmt.Sprintf("Kept awake by %s.", a.KeptAwakeBy)
	case a.State == Active:
		return fmt.Sprintf("Started, resumed or active within the last %s.", policy.Short(a.Within))
	case a.StartFailure != "":
		return fmt.Sprintf("Idle since %s, because its container cannot run: %s. Suspended at %s.", policy.Clock(a.Last), a.StartFailure, policy.Clock(d.SuspendsAt))
	}
	return fmt.Sprintf("Idle since %s. Suspended at %s, unless it is used before.", policy.Clock(a.Last), policy.Clock(d.SuspendsAt))
}

// Sentence says what is about to happen, and how to prevent it. The last warning
// differs from the first, because a terminal shows each sentence only once.
func (w Warning) Sentence() string {
	server := "This server"
	if w.Last {
		server = "Last warning: this server"
	}
	at := policy.Clock(w.At)
	switch {
	case w.Cause != devv1.ReasonExpired && w.StartFailure != "":
		return fmt.Sprintf("%s will be suspended at %s, because its container cannot run: %s. To prevent that: devctl keep.", server, at, w.StartFailure)
	case w.Cause != devv1.ReasonExpired:
		return fmt.Sprintf("%s is idle and will be suspended at %s. Type anything to prevent that.", server, at)
	case w.Delete:
		return fmt.Sprintf("%s reaches its time to live at %s and will be deleted. Its home directory is kept unless its owner chose otherwise. To extend it: devctl extend.", server, at)
	default:
		return fmt.Sprintf("%s reaches its time to live at %s and will be stopped. Its home directory is kept. To extend it: devctl extend.", server, at)
	}
}
