package agentapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"devserver.io/devserver/internal/printable"
)

// PollPath on ControlPort takes Instructions, by POST and with the bearer
// token, and answers with a Report.
const PollPath = "/v1/poll"

// DrainPath on ControlPort takes a Drain, by POST and with the bearer token. It
// answers 204 where the box was idle: from then on it refuses new sessions, for
// DrainTime, so that nobody begins to work in a box that is being put to sleep.
// It answers 409, with a Report, where it was not: the box stays. What cannot be
// told counts as work.
const DrainPath = "/v1/drain"

// ActivitySubsystem is an SSH subsystem of every box, for whoever may log in: it
// answers with a Report as JSON and ends. To ask is no work.
const ActivitySubsystem = "activity@devserver.io"

// DrainTime is how long a drained box refuses sessions. An operator that has
// not stopped it by then has changed its mind, or is gone.
const DrainTime = time.Minute

// Instructions are what the operator tells a box at each poll. They count until
// the next; an agent that has had none has the zero value.
type Instructions struct {
	// Thresholds say what counts as work. Zero fields have the defaults.
	Thresholds Thresholds `json:"thresholds"`
	// Notice is printed at a login on a terminal: when the box expires or falls
	// asleep, why it was started last. May have several lines.
	Notice string `json:"notice,omitempty"`
	// Warning is written to every open terminal once, when its text is another
	// than that of the poll before. One line.
	Warning string `json:"warning,omitempty"`
}

// Thresholds are the least that counts as work. One that is lowered counts as
// work when it is: nobody has looked for so little before.
type Thresholds struct {
	// CPUMillis is CPU time in thousandths of one core, averaged over a minute,
	// of all processes of the box but the agent's own. Default
	// DefaultCPUMillis.
	CPUMillis int64 `json:"cpuMillis,omitempty"`
	// GPUPercent is the utilisation of the busiest GPU of the box. Default
	// DefaultGPUPercent. Above 100, GPUs do not count: for those that cannot
	// tell their utilisation, such as divided ones (MIG), which else count as
	// busy.
	GPUPercent int64 `json:"gpuPercent,omitempty"`
	// SSHBytes is what all SSH connections carry in a minute, both directions
	// together, beside terminals, whose every key counts. It is above what the
	// heartbeats of editors take. Default DefaultSSHBytes.
	SSHBytes int64 `json:"sshBytes,omitempty"`
}

// Defaults of Thresholds.
const (
	DefaultCPUMillis  = 100
	DefaultGPUPercent = 2
	DefaultSSHBytes   = 64 << 10
)

// WithDefaults fills in what is not set.
func (t Thresholds) WithDefaults() Thresholds {
	for _, field := range []struct {
		value *int64
		least int64
	}{
		{&t.CPUMillis, DefaultCPUMillis},
		{&t.GPUPercent, DefaultGPUPercent},
		{&t.SSHBytes, DefaultSSHBytes},
	} {
		if *field.value <= 0 {
			*field.value = field.least
		}
	}
	return t
}

// Names of signals.
const (
	SignalTerminal = "terminal" // a key typed, or output on a terminal
	SignalSSH      = "ssh"      // a session that starts, or bytes of connections beside terminals
	SignalCPU      = "cpu"
	SignalGPU      = "gpu"
	SignalKeep     = "keep" // a process, file or socket that says so
)

// Report is what a box tells of itself. Times are ages, counted by the box's
// monotonic clock: nobody has to trust the time of day in it.
type Report struct {
	// Version is the agent's.
	Version string `json:"version"`
	// UpSeconds is how long the agent has watched; there is no older sign.
	UpSeconds float64 `json:"upSeconds"`
	// Signals are one for each kind of work that the box can see. GPU is
	// missing where there is none.
	Signals []Signal `json:"signals"`
	// Sessions are the SSH sessions that are open.
	Sessions int `json:"sessions"`
	// OOMKills counts the processes of the box that the kernel has killed for
	// memory since the container started.
	OOMKills int64 `json:"oomKills"`
	// SecretHash is FilesHash of the Secret's files, as they are mounted. It
	// shows a Secret that somebody edited, some minutes later.
	SecretHash string `json:"secretHash,omitempty"`
	// Home is the room in the home directory; nil where it cannot be told.
	Home *Room `json:"home,omitempty"`
}

// Signal is one kind of work.
type Signal struct {
	Name string `json:"name"`
	// IdleSeconds is how long ago it reached its threshold last. Below 0: not
	// since the agent watches. What cannot be measured counts as work: 0.
	IdleSeconds float64 `json:"idleSeconds"`
	// Value is the figure now, for people: "CPU 1%", "GPU 0%", "2 silent ssh
	// sessions".
	Value string `json:"value,omitempty"`
}

// Room is what a file system has.
type Room struct {
	SizeBytes int64 `json:"sizeBytes"`
	FreeBytes int64 `json:"freeBytes"`
	Files     int64 `json:"files,omitempty"`
	FreeFiles int64 `json:"freeFiles,omitempty"`
}

// ErrUnsupported is what an agent says, in other words, that is older than what
// it is asked.
var ErrUnsupported = errors.New("this agent does not know that yet: it is older than the operator")

// Drain asks a box to refuse new sessions if it has been idle.
type Drain struct {
	// Release takes an earlier drain back instead; nothing else counts then.
	Release    bool       `json:"release,omitempty"`
	Thresholds Thresholds `json:"thresholds"`
	// IdleSeconds is how long every signal must have been silent, and the agent
	// must have watched. It must be more than 0.
	IdleSeconds float64 `json:"idleSeconds"`
}

// plentyBytes is room to work in, however small a part of the whole it is.
const plentyBytes = 512 << 20

// Full tells whether the room is as good as used up: less than a twentieth of
// it is free, or of a large one less than plentyBytes, or hardly another file
// may be made.
func (r Room) Full() bool { return r.FullOfBytes() || r.FullOfFiles() }

// Roomy tells whether the room is well beyond that: what was called full is to
// be called so until then.
func (r Room) Roomy() bool { return !r.shortOfBytes(2) && !r.shortOfFiles(2) }

// FullOfBytes tells whether it is the bytes that are used up.
func (r Room) FullOfBytes() bool { return r.shortOfBytes(1) }

// FullOfFiles tells whether it is the files.
func (r Room) FullOfFiles() bool { return r.shortOfFiles(1) }

// These two compare with a multiple of what is left in a full room.
func (r Room) shortOfBytes(times int64) bool {
	return r.SizeBytes > 0 && r.FreeBytes < times*min(r.SizeBytes/20, plentyBytes)
}

func (r Room) shortOfFiles(times int64) bool {
	return r.Files > 0 && r.FreeFiles < times*r.Files/100
}

// Idle is how long ago the box last worked, and the signal that says so. A box
// that the agent has not seen working at all is as idle as the agent is old.
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

// Figures describe the box in the words of its signals: "CPU 1%, GPU 0%".
func (r Report) Figures() string {
	var figures []string
	for _, s := range r.Signals {
		if s.Value != "" && s.Name != SignalKeep {
			figures = append(figures, s.Value)
		}
	}
	return printable.Line(strings.Join(figures, ", "), enough)
}

// KeptAwakeBy is the process that keeps the server awake now; empty for none.
func (r Report) KeptAwakeBy() string {
	for _, s := range r.Signals {
		if s.Name == SignalKeep && s.IdleSeconds >= 0 && s.IdleSeconds < keepFresh {
			// Agents that were started by an earlier version say "kept by make", and
			// "nothing is kept" just after that.
			if s.Value == "nothing is kept" {
				return ""
			}
			return printable.Line(strings.TrimPrefix(s.Value, "kept by "), enough)
		}
	}
	return ""
}

// enough is how many characters a box may say of itself; it is shown to everybody.
const enough = 200

// keepFresh is how old the sign of a keep may be that still goes on, in seconds.
const keepFresh = 60

// FilesHash identifies the content of files, by name.
func FilesHash(files map[string][]byte) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum := sha256.Sum256(files[name])
		h.Write([]byte(name))
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
