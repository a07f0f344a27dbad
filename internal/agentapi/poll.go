package agentapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"devserver.io/devserver/internal/printable"
)

// PollPath on ControlPort accepts Instructions, by POST and with the bearer token,
// and answers with a Report.
const PollPath = "/v1/poll"

// DrainPath on ControlPort accepts a Drain, by POST and with the bearer token.
//
// It answers 204 if the server has been idle. From then on the server refuses new
// sessions for DrainTime, so that it does not become active while it is being
// suspended. It answers 409, with a Report, if the server has been active or if
// the agent cannot tell. The server then continues to accept sessions.
const DrainPath = "/v1/drain"

// ActivitySubsystem is an SSH subsystem that sends a Report as JSON, without
// SecretHash, and ends. Everyone who may log in may open it. It does not count as
// activity, or as a session.
const ActivitySubsystem = "activity@devserver.io"

// DrainTime is how long a drained server refuses sessions. If the operator has not
// stopped the server by then, it no longer intends to, or has stopped itself.
const DrainTime = time.Minute

// Instructions are what the operator sends to an agent with each poll. They hold
// until the next poll. Before the first, the agent uses the zero value.
type Instructions struct {
	// Thresholds are what counts as activity. A field that is 0 has its default.
	Thresholds Thresholds `json:"thresholds"`
	// Notice is printed at a login on a terminal: when the server expires or is
	// suspended, and why it was started. It may have several lines.
	Notice string `json:"notice,omitempty"`
	// Warning is a line that is written to every open terminal when it differs from
	// the warning of the poll before.
	Warning string `json:"warning,omitempty"`
}

// Thresholds are the smallest figures that count as activity. When one is lowered,
// its signal counts as active at that moment, because the agent has not looked for
// less before.
type Thresholds struct {
	// CPUMillis is CPU time in thousandths of a CPU, averaged over a minute, of all
	// processes in the server except the agent's own. Default: DefaultCPUMillis.
	CPUMillis int64 `json:"cpuMillis,omitempty"`
	// GPUPercent is the utilization of the server's busiest GPU. Default:
	// DefaultGPUPercent. Above 100, GPUs do not count at all. This is for GPUs that
	// do not report their utilization, such as divided ones (MIG), which otherwise
	// count as active.
	GPUPercent int64 `json:"gpuPercent,omitempty"`
	// SSHBytes is what all SSH connections transfer in a minute, both directions
	// together. Terminals are not part of it: they have a signal of their own.
	// Default: DefaultSSHBytes.
	SSHBytes int64 `json:"sshBytes,omitempty"`
}

// Defaults of Thresholds. DefaultSSHBytes is more than the heartbeats of an editor
// take.
const (
	DefaultCPUMillis  = 100
	DefaultGPUPercent = 2
	DefaultSSHBytes   = 64 << 10
)

// WithDefaults returns the thresholds with the default in place of each field that
// is 0 or negative.
func (t Thresholds) WithDefaults() Thresholds {
	return Thresholds{
		CPUMillis:  cmp.Or(max(t.CPUMillis, 0), DefaultCPUMillis),
		GPUPercent: cmp.Or(max(t.GPUPercent, 0), DefaultGPUPercent),
		SSHBytes:   cmp.Or(max(t.SSHBytes, 0), DefaultSSHBytes),
	}
}

// Names of signals.
const (
	SignalTerminal = "terminal" // a typed key, or output on a terminal
	SignalSSH      = "ssh"      // a new session, or bytes of connections other than terminals
	SignalCPU      = "cpu"
	SignalGPU      = "gpu"
	SignalKeep     = "keep" // a process or file that keeps the server awake
)

// Report is what an agent reports about its server. All times are ages in seconds,
// measured by a clock that cannot be set: the operator does not depend on the time
// of day in the server.
type Report struct {
	// Version is the agent's version.
	Version string `json:"version"`
	// UpSeconds is how long the agent has watched. No signal is older.
	UpSeconds float64 `json:"upSeconds"`
	// Signals has one element for each kind of activity that the agent can see. The
	// GPU signal is absent if the server has no GPU.
	Signals []Signal `json:"signals"`
	// Sessions is how many SSH sessions are open.
	Sessions int `json:"sessions"`
	// OOMKills is how many processes in the server the kernel has killed, because
	// memory ran out, since the container started.
	OOMKills int64 `json:"oomKills"`
	// SecretHash is FilesHash of the Secret's files as they are mounted. It differs
	// from that of the Secret for up to two minutes after each change of it, and for
	// longer if the Secret was edited by another client.
	SecretHash string `json:"secretHash,omitempty"`
	// Home is the space in the home directory. It is nil if its file system does not
	// answer.
	Home *Room `json:"home,omitempty"`
	// Resources are what the server uses and may use. It is absent in the report of
	// an older agent.
	Resources Resources `json:"resources,omitzero"`
}

// Signal is one kind of activity.
type Signal struct {
	// Name is one of the signal names.
	Name string `json:"name"`
	// IdleSeconds is how long ago the signal was last active. It is negative if that
	// has not happened since the agent started, and 0 if the figure cannot be
	// measured: unknown counts as active.
	IdleSeconds float64 `json:"idleSeconds"`
	// Value is the current figure, as text for people: "CPU 1%", "GPU 0%", "2 silent
	// ssh sessions". That of SignalKeep is the name of what keeps the server awake,
	// such as "torchrun", and empty if nothing does.
	Value string `json:"value,omitempty"`
}

// Room is the space in a file system.
type Room struct {
	// SizeBytes is its size, and FreeBytes is what of it a user may still write.
	SizeBytes int64 `json:"sizeBytes"`
	FreeBytes int64 `json:"freeBytes"`
	// Files is how many files it can have, and FreeFiles how many may still be
	// created. Both are 0 if the file system has no such limit.
	Files     int64 `json:"files,omitempty"`
	FreeFiles int64 `json:"freeFiles,omitempty"`
}

// ErrUnsupported is the error for an agent that does not serve a path because it is
// older than the operator.
var ErrUnsupported = errors.New("this agent does not know that yet: it is older than the operator")

// Drain asks an agent to refuse new sessions if its server has been idle.
type Drain struct {
	// Release ends an earlier drain instead. The other fields then have no effect.
	Release bool `json:"release,omitempty"`
	// Thresholds are what counts as activity.
	Thresholds Thresholds `json:"thresholds"`
	// IdleSeconds is how long every signal must have been idle, and how long the
	// agent must have watched. It must be more than 0.
	IdleSeconds float64 `json:"idleSeconds"`
}

// plentyBytes is enough free space, however small a part of a large home it is.
const plentyBytes = 512 << 20

// UsedBytes returns how much of the space is in use.
func (r Room) UsedBytes() int64 { return max(r.SizeBytes-r.FreeBytes, 0) }

// Full reports whether the home counts as full: less than a twentieth of it and
// less than 512 MiB are free, or less than a hundredth of the files.
func (r Room) Full() bool { return r.FullOfBytes() || r.FullOfFiles() }

// Roomy reports whether twice that much is free. A home that was full is reported
// as full until it is roomy.
func (r Room) Roomy() bool { return !r.shortOfBytes(2) && !r.shortOfFiles(2) }

// FullOfBytes reports whether the home is full because of its bytes.
func (r Room) FullOfBytes() bool { return r.shortOfBytes(1) }

// FullOfFiles reports whether the home is full because of its number of files.
func (r Room) FullOfFiles() bool { return r.shortOfFiles(1) }

// shortOfBytes and shortOfFiles report whether less is free than a multiple of
// what is free in a full home.
func (r Room) shortOfBytes(times int64) bool {
	return r.SizeBytes > 0 && r.FreeBytes < times*min(r.SizeBytes/20, plentyBytes)
}

func (r Room) shortOfFiles(times int64) bool {
	return r.Files > 0 && r.FreeFiles < times*r.Files/100
}

// Idle returns how long ago the server was last active, and the signal that was.
// If none has been active since the agent started, that is as long as the agent has
// watched, and the signal is empty. At most 10 years are returned.
func (r Report) Idle() (idle time.Duration, signal string) {
	const longest = 10 * 365 * 24 * time.Hour
	seconds := min(max(r.UpSeconds, 0), longest.Seconds())
	for _, s := range r.Signals {
		if s.IdleSeconds >= 0 && s.IdleSeconds < seconds {
			seconds, signal = s.IdleSeconds, s.Name
		}
	}
	return time.Duration(seconds * float64(time.Second)), signal
}

// Limits of what ReadReport accepts: far more than any agent sends, and little enough to
// keep the reports of thousands of servers.
const (
	MaxReportBytes = 64 << 10
	maxSignals     = 32
)

// ReadReport reads a report. The users of a server may control its agent, so the report is
// refused if it is longer than MaxReportBytes, or has more than 32 signals: a few bytes of
// JSON make a signal that takes much more memory.
func ReadReport(from io.Reader) (Report, error) {
	var r Report
	limited := &io.LimitedReader{R: from, N: MaxReportBytes}
	if err := json.NewDecoder(limited).Decode(&r); err != nil {
		if limited.N <= 0 {
			return Report{}, fmt.Errorf("the agent's report is longer than %d bytes", MaxReportBytes)
		}
		return Report{}, fmt.Errorf("the agent's report cannot be read: %w", err)
	}
	if len(r.Signals) > maxSignals {
		return Report{}, fmt.Errorf("the agent's report has %d signals; at most %d are accepted", len(r.Signals), maxSignals)
	}
	return r, nil
}

// VersionText returns the agent's version, as one line that is safe to print, of at most
// 64 characters.
func (r Report) VersionText() string { return printable.Line(r.Version, maxVersion) }

const maxVersion = 64

// maxText is how many characters of a server's own text are shown, also to people
// other than its owner.
const maxText = 200

// Figures returns the values of all signals except SignalKeep: "CPU 1%, GPU 0%".
// The text is one line that is safe to print.
func (r Report) Figures() string {
	var figures []string
	for _, s := range r.Signals {
		if s.Value != "" && s.Name != SignalKeep {
			figures = append(figures, s.Value)
		}
	}
	return printable.Prose(strings.Join(figures, ", "), maxText)
}

// keepAwakeSeconds is how old a keep-awake signal may be that still holds. The
// agent looks more often.
const keepAwakeSeconds = 60

// KeptAwakeBy returns the name of what keeps the server awake now, such as
// "torchrun", or "" if nothing does. The text is one line that is safe to print.
//
// A server keeps its agent until it restarts. The values of older agents, "kept by
// torchrun" and "nothing is kept", are understood too.
func (r Report) KeptAwakeBy() string {
	for _, s := range r.Signals {
		if s.Name == SignalKeep && s.IdleSeconds >= 0 && s.IdleSeconds < keepAwakeSeconds {
			if s.Value == "nothing is kept" {
				return ""
			}
			return printable.Line(strings.TrimPrefix(s.Value, "kept by "), maxText)
		}
	}
	return ""
}

// FilesHash returns a hash of the names and contents of files.
func FilesHash(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[name])
		h.Write([]byte(name))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
