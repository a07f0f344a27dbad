package lifecycle

import (
	"fmt"
	"strings"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// Clock is a time as people read it.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// Short is a duration without the parts that are zero: "72h", not "72h0m0s".
func Short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// signals names what a box is at work with.
var signals = map[string]string{
	agentapi.SignalTerminal: "keys typed or output on a terminal",
	agentapi.SignalSSH:      "traffic of SSH connections",
	agentapi.SignalCPU:      "CPU use",
	agentapi.SignalGPU:      "GPU use",
	agentapi.SignalKeep:     "a process that asks to be kept",
	"":                      "it was started or woken",
}

func signalOf(name string) string {
	if words, known := signals[name]; known {
		return words
	}
	return "something that is newer than the operator" // A newer agent's.
}

// Reason is the reason of the Active condition.
func (w Work) Reason() string {
	switch {
	case w.State == Unknown && w.Foreign:
		return devv1.ReasonObjectConflict
	case w.State == Unknown && w.TooOld:
		return devv1.ReasonAgentTooOld
	}
	return map[State]string{Working: devv1.ReasonWorking, Kept: devv1.ReasonKept, Idle: devv1.ReasonIdle, Unknown: devv1.ReasonAgentSilent}[w.State]
}

// Sentence says how the box's work stands and what comes of it. It has no
// running figures but those of the moment in which it was made.
func (d Decision) Sentence() string {
	w := d.Work
	switch {
	case w == nil:
		return ""
	case w.State == Unknown && w.Foreign:
		return "A Lease with the server's name is there and belongs to somebody else, so the server counts as at work. It is not suspended until that Lease is deleted."
	case w.State == Unknown && w.TooOld:
		return "The agent is older than the operator and does not say whether the server is at work, so it counts as that. It is not suspended until it was restarted."
	case w.State == Unknown:
		return "The agent does not answer, so the server counts as at work. It is not suspended."
	case w.State == Kept && !w.KeptUntil.IsZero():
		return fmt.Sprintf("Kept until %s by its Lease.", Clock(w.KeptUntil))
	case w.State == Kept:
		return "Kept by " + w.Keep + "."
	case w.State == Working:
		return "At work: " + signalOf(w.Signal) + "."
	}
	figures := ""
	if w.Figures != "" {
		figures = " (" + w.Figures + ")"
	}
	return fmt.Sprintf("Idle since %s%s; suspends at %s.", Clock(w.Last), figures, Clock(d.SuspendsAt))
}

// Sentence says what is about to happen, and what averts it. The last warning
// is another sentence than the first: a terminal is told each once.
func (w Warning) Sentence() string {
	server := "This server"
	if w.Last {
		server = "Last warning: this server"
	}
	switch {
	case w.Cause != CauseExpired && w.Hindered != "":
		return fmt.Sprintf("%s is suspended at %s, because its container does not run: %s. A keep defers it.", server, Clock(w.At), w.Hindered)
	case w.Cause != CauseExpired:
		return fmt.Sprintf("%s is suspended at %s, because nobody works in it. Type anything to keep it.", server, Clock(w.At))
	case w.Delete:
		return fmt.Sprintf("%s expires at %s and is then deleted; its home directory is kept unless its owner chose otherwise. A keep defers it.", server, Clock(w.At))
	default:
		return fmt.Sprintf("%s expires at %s and is then stopped; its home directory is kept. A keep defers it.", server, Clock(w.At))
	}
}
