package spawnapi

import (
	"fmt"
	"syscall"

	"devserver.io/devserver/internal/agentapi"
)

// Version is the version of the protocol that this package implements.
const Version = 1

// Kinds of processes.
const (
	KindShell = "shell" // a login shell
	KindExec  = "exec"  // a command line, which the login shell interprets
	KindSFTP  = "sftp"  // the SFTP server
)

// Request is the first message on a connection. Exactly one of the pointers is set.
type Request struct {
	// Version is the version of the SSH server.
	Version int `json:"version"`
	// Relay tells the spawner to pass no files.
	Relay bool `json:"relay,omitempty"`

	Start  *Start         `json:"start,omitempty"`
	Listen *Listen        `json:"listen,omitempty"`
	Dial   *Dial          `json:"dial,omitempty"`
	Report *ReportRequest `json:"report,omitempty"`
	Attach *Attach        `json:"attach,omitempty"`
	Probe  *Probe         `json:"probe,omitempty"`
}

// Start starts a process.
type Start struct {
	// Account is the name of the account that the process runs as.
	Account string `json:"account"`
	// Kind is one of the kinds of processes.
	Kind string `json:"kind"`
	// Command is the command line of KindExec.
	Command []byte `json:"command,omitempty"`
	// Env has NAME=VALUE for each variable to add to the account's environment.
	Env [][]byte `json:"env,omitempty"`
	// AgentSocket sets SSH_AUTH_SOCK to the path that leads to the newest socket of a
	// forwarded SSH agent.
	AgentSocket bool `json:"agentSocket,omitempty"`
	// Terminal is the pseudo-terminal to run the process on, or nil for three pipes.
	Terminal *Terminal `json:"terminal,omitempty"`
}

// Terminal is a new pseudo-terminal.
type Terminal struct {
	Size Size `json:"size"`
	// Modes are encoded as in RFC 4254, section 8.
	Modes []byte `json:"modes,omitempty"`
}

// Size is the size of a terminal, in characters and in pixels.
type Size struct {
	Columns uint16 `json:"columns"`
	Rows    uint16 `json:"rows"`
	Width   uint16 `json:"width,omitempty"`
	Height  uint16 `json:"height,omitempty"`
}

// Networks of Listen.
const (
	NetworkTCP   = "tcp"   // both loopback addresses
	NetworkUnix  = "unix"  // a unix socket
	NetworkAgent = "agent" // the unix socket of a forwarded SSH agent
)

// Listen listens with the rights of an account.
type Listen struct {
	Account string `json:"account"`
	Network string `json:"network"`
	// Port is the port of NetworkTCP. 0 means any free port.
	Port uint16 `json:"port,omitempty"`
	// Path is the path of NetworkUnix. It may be relative to the home directory.
	Path []byte `json:"path,omitempty"`
}

// Dial connects to a unix socket with the rights of an account.
type Dial struct {
	Account string `json:"account"`
	// Path may be relative to the home directory.
	Path []byte `json:"path"`
}

// ReportRequest asks for a Report.
type ReportRequest struct {
	// Thresholds are what counts as activity from now on, if not nil.
	Thresholds *agentapi.Thresholds `json:"thresholds,omitempty"`
	// Refresh takes a new sample before the report.
	Refresh bool `json:"refresh,omitempty"`
}

// Attach connects to a relayed stream.
type Attach struct {
	Stream uint64 `json:"stream"`
}

// Probe asks whether the spawner receives files.
type Probe struct{}

// Reply answers a Request.
type Reply struct {
	// Version is the version of the spawner.
	Version int `json:"version"`
	// Refused is why the request was refused. All other fields are then empty.
	Refused *Refusal `json:"refused,omitempty"`

	// Greeting is what a login on a terminal prints first. Only the reply to a Start of
	// KindShell with a terminal has it.
	Greeting string `json:"greeting,omitempty"`
	// Warning is what the session of a Start first prints on standard error.
	Warning string `json:"warning,omitempty"`
	// Port is the TCP port of a Listen.
	Port uint16 `json:"port,omitempty"`
	// AgentSocket is the path that leads to the newest socket of NetworkAgent.
	AgentSocket string `json:"agentSocket,omitempty"`
	// Relayed is set if no files are passed.
	Relayed bool `json:"relayed,omitempty"`
	// Streams are the relayed streams of a Start or a Dial.
	Streams []uint64 `json:"streams,omitempty"`
	// Report answers a ReportRequest.
	Report *Report `json:"report,omitempty"`
	// Files is how many files the spawner received with a Probe.
	Files int `json:"files,omitempty"`
}

// Refusal is why a request was refused. Users read it.
type Refusal struct {
	// Code is the exit code for the client, like that of a shell that cannot run a
	// command.
	Code int `json:"code"`
	// Text is one or more lines, of at most 4 KiB.
	Text string `json:"text"`
}

func (r *Refusal) Error() string { return r.Text }

// Exit codes of a Refusal. Shells use the same.
const (
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// Control is a message from the SSH server to the spawner about a running process.
// One of its fields is set.
type Control struct {
	// Signal is the number of a signal for the foreground job of the terminal or,
	// without a terminal, for the process group.
	Signal int `json:"signal,omitempty"`
	// Size is the terminal's new size.
	Size *Size `json:"size,omitempty"`
	// Break sends a break to the terminal.
	Break bool `json:"break,omitempty"`
	// HangUp hangs up the terminal. A process without a terminal continues.
	HangUp bool `json:"hangUp,omitempty"`
}

// Exit is how a process ended.
type Exit struct {
	// Code is its exit code, if no signal ended it.
	Code int `json:"code"`
	// Signal is the number of the signal that ended it, and Core whether it left a
	// core dump.
	Signal int  `json:"signal,omitempty"`
	Core   bool `json:"core,omitempty"`
	// Message explains the end in a line that the session prints on standard error. It
	// is usually empty.
	Message string `json:"message,omitempty"`
}

// Accepted is a message about a connection that a relayed listening socket has
// accepted.
type Accepted struct {
	Stream uint64 `json:"stream"`
}

// Report is the spawner's part of an agentapi.Report.
type Report struct {
	// Version is the version of the program in the user's container.
	Version string `json:"version"`
	// Fresh is not set if the request had Refresh, and the new sample was not ready in
	// time.
	Fresh bool `json:"fresh,omitempty"`
	// UpSeconds is how long the spawner has watched for activity.
	UpSeconds float64 `json:"upSeconds"`
	// Signals are the kinds of activity that the spawner can see: CPU, GPU, keep-awake,
	// and SignalTerminal for terminals that the SSH server did not open.
	Signals []agentapi.Signal `json:"signals"`
	// OOMKills is how many processes the kernel has killed because memory ran out.
	OOMKills int64 `json:"oomKills,omitempty"`
	// Home is the space in the home directory, or nil if its file system does not
	// answer.
	Home      *agentapi.Room     `json:"home,omitempty"`
	Resources agentapi.Resources `json:"resources,omitzero"`
	// Stopping is set once the kubelet has asked the user's container to stop.
	Stopping bool `json:"stopping,omitempty"`
}

// String describes the end for a log.
func (e Exit) String() string {
	if e.Signal == 0 {
		return fmt.Sprintf("exit status %d", e.Code)
	}
	return "signal: " + syscall.Signal(e.Signal).String()
}
