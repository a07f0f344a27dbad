// Package agentupdate decides when a running server gets the operator's version of the
// agent. It is pure: a decision depends only on the facts and the time.
//
// The agent's SSH server runs in a container of its own (objects.SSHContainer). A patch
// of that container's image restarts the container and closes its connections; all
// processes in the server's main container continue. The kubelet stops the old
// container before it pulls the new image, so an update starts only if the image is on
// the node. On each node, one server is updated first, and the others follow once that
// one answers.
package agentupdate

import (
	"fmt"
	"slices"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// Mode is when the agents of running servers are updated.
type Mode string

// Modes.
const (
	// OnRestart: never; a server gets the new agent at its next start.
	OnRestart Mode = "OnRestart"
	// WhenIdle: when no SSH session is open, or at the deadline.
	WhenIdle Mode = "WhenIdle"
	// Always: at once, after a warning on open terminals.
	Always Mode = "Always"
)

const (
	// DefaultDeadline is how long WhenIdle waits for sessions to end.
	DefaultDeadline = 7 * 24 * time.Hour
	// WarningTime is how long a warning is on open terminals before an update.
	WarningTime = time.Minute
	// Patience is how long the new SSH server may take to answer. It normally takes
	// seconds, because the image is already on the node.
	Patience = 5 * time.Minute
	// PullLasts is how long a finished attempt to pull an image counts: the kubelet may
	// delete an image that no container uses, and a registry may answer again.
	PullLasts = time.Hour
	// look is how often the operator checks what does not cause another decision when
	// it changes: another server on the node, and a pull.
	look = 15 * time.Second
)

// Policy has the settings of the operator. The zero value is OnRestart.
type Policy struct {
	Mode Mode
	// Deadline is how long WhenIdle waits for sessions to end, from when the operator
	// first saw that the agent is not its version.
	Deadline time.Duration
}

// Facts are what the operator knows about a server whose pod is not being deleted.
type Facts struct {
	Policy Policy
	// Image is the operator's image of the agent.
	Image string
	// Pod is the server's pod, Node the name of its node. Others are the pods of the
	// other servers on that node.
	Pod    Pod
	Node   string
	Others []Pod
	// Pull is the attempt to pull Image on the node.
	Pull Pull
	// Sessions is how many SSH sessions are open; nil if the agent has not reported it.
	Sessions *int
	// OutdatedSince is when the operator first saw that the agent is not its version.
	// Zero, and a time in the future, count as now.
	OutdatedSince time.Time
	// WarnedAt is when open terminals began to show the warning; zero if they do not.
	WarnedAt time.Time
	// StopAnnounced is set while the server is about to be stopped. It then gets the
	// new agent at its next start.
	StopAnnounced bool
}

// PullState is the state of an attempt to pull an image.
type PullState int

// States of a Pull.
const (
	NotPulled PullState = iota
	Pulling
	Pulled
	PullFailed
)

// Pull is an attempt to pull an image on a node.
type Pull struct {
	State PullState
	// Cause is why it failed, or has not succeeded so far; empty if the first try lasts.
	Cause string
	// StartedAt is when the attempt started.
	StartedAt time.Time
}

// Expired tells whether an attempt does not count any more.
func Expired(p Pull, now time.Time) bool { return now.Sub(p.StartedAt) >= PullLasts }

// Act is a step that a decision requires.
type Act int

// Acts.
const (
	ActNone Act = iota
	// ActPull: pull the image on the node, again if an earlier attempt exists.
	ActPull
	// ActWarn: show the warning on open terminals.
	ActWarn
	// ActStart: patch the image of the SSH server's container.
	ActStart
	// ActFinish: record that the new agent answers.
	ActFinish
	// ActRollBack: put the old image back.
	ActRollBack
)

// Decision is what to do about a server's agent.
type Decision struct {
	Act Act
	// Reason and Message are those of the condition AgentUpdatePending. Reason is empty
	// if no update is pending.
	Reason, Message string
	// Updating is set while the new SSH server starts.
	Updating bool
	// AtRestart is set if only a restart of the server updates its agent.
	AtRestart bool
	// Cause is why ActRollBack is required.
	Cause string
	// WarnedAt is when open terminals began to show the Warning.
	WarnedAt time.Time
	Warning  string
	// RequeueAt is when to decide again even if nothing happens; zero means never.
	RequeueAt time.Time
}

// Pending tells whether there is anything to decide about a pod. Pods that the previous
// version of the operator created have no container for the SSH server, and are never
// updated.
func Pending(p Pod, image string) bool {
	return p.Image != "" && p.Agent != "" && (p.Agent != image || p.underWay())
}

// Decide decides about a server.
func Decide(f Facts, now time.Time) Decision {
	now = now.Round(0)
	p := f.Pod
	switch {
	case !Pending(p, f.Image):
		return Decision{}
	case p.underWay():
		return f.underWay(now)
	case f.Policy.Mode != WhenIdle && f.Policy.Mode != Always:
		return Decision{AtRestart: true}
	case p.failed(f.Image):
		return failed("The new agent did not answer, so the server has the previous one again: %s. Once that is fixed, restart the server, or install another version of DevServer.", p.Update.Failed)
	case slices.ContainsFunc(f.Others, func(o Pod) bool { return o.failed(f.Image) }):
		return failed("The new agent did not answer in another server on the node %s, so this server keeps the previous one until the agent's image changes. A restart gives it the new agent.", f.Node)
	case !p.Ready:
		return pending(devv1.ReasonWaitingForServer, "The agent is updated once the server is ready.")
	case f.StopAnnounced:
		return pending(devv1.ReasonWaitingForServer, "The server is about to be stopped. It gets the new agent at its next start.")
	}
	deadline := f.deadline(now)
	if f.Policy.Mode == WhenIdle && now.Before(deadline) && !f.noSessions() {
		d := pending(devv1.ReasonWaitingForSessions, "The agent is updated when no SSH session is open, or at %s at the latest.", policy.Clock(deadline))
		d.RequeueAt = deadline
		return d
	}
	return f.prepare(now)
}

// prepare takes the steps before an update that is due.
func (f Facts) prepare(now time.Time) Decision {
	if !slices.ContainsFunc(f.Others, func(o Pod) bool { return o.shows(f.Image) }) {
		switch pulling := pending(devv1.ReasonPullingImage, "The node %s is pulling the image %s of the new agent.", f.Node, f.Image); {
		case f.Pull.State == NotPulled, Expired(f.Pull, now):
			pulling.Act, pulling.RequeueAt = ActPull, now.Add(look)
			return pulling
		case f.Pull.State == Pulling && f.Pull.Cause == "":
			pulling.RequeueAt = now.Add(look)
			return pulling
		case f.Pull.State == Pulling:
			d := failed(cannotPull, f.Node, f.Image, f.Pull.Cause)
			d.RequeueAt = now.Add(look)
			return d
		case f.Pull.State == PullFailed:
			d := failed(cannotPull, f.Node, f.Image, f.Pull.Cause)
			d.RequeueAt = f.Pull.StartedAt.Add(PullLasts)
			return d
		}
	}
	if !slices.ContainsFunc(f.Others, func(o Pod) bool { return o.proves(f.Image) }) && slices.ContainsFunc(f.Others, Pod.underWay) {
		d := pending(devv1.ReasonWaitingForNode, "The agent is updated once another server on the node %s answers with the new version.", f.Node)
		d.RequeueAt = now.Add(look)
		return d
	}
	due := f.WarnedAt.Add(WarningTime)
	if f.noSessions() || (!f.WarnedAt.IsZero() && !now.Before(due)) {
		return Decision{Act: ActStart, Reason: devv1.ReasonUpdatingAgent, Message: updating, Updating: true, RequeueAt: now.Add(Patience)}
	}
	if f.WarnedAt.IsZero() || f.WarnedAt.After(now) {
		f.WarnedAt, due = now, now.Add(WarningTime)
	}
	d := pending(devv1.ReasonUpdatingAgent, "The agent will be updated at %s. Open SSH sessions end then; all other processes continue.", policy.Clock(due))
	d.Act, d.WarnedAt, d.RequeueAt = ActWarn, f.WarnedAt, due
	d.Warning = fmt.Sprintf("This server's SSH server will be updated at %s, which ends this session. You can reconnect at once. Programs in tmux and other detached processes continue.", policy.Clock(due))
	return d
}

const cannotPull = "The node %s cannot pull or start the new agent, image %s, and tries again at least every hour. Running servers keep the previous one. Cause: %s"

const updating = "The new agent is starting. Processes in the server continue."

// underWay decides about an update that has started.
func (f Facts) underWay(now time.Time) Decision {
	p, u := f.Pod, f.Pod.Update
	d := Decision{Reason: devv1.ReasonUpdatingAgent, Message: updating, Updating: true}
	patience := earliest(u.StartedAt.Time, now).Add(Patience)
	switch {
	case p.Ready && p.Restarts > u.Restarts:
		return Decision{Act: ActFinish}
	case p.Problem != "":
		d.Act, d.Cause = ActRollBack, p.Problem
	case !now.Before(patience):
		d.Act, d.Cause = ActRollBack, "it was not ready within "+policy.Short(Patience)
	default:
		d.RequeueAt = patience
	}
	return d
}

// deadline is when the operator stops waiting for sessions to end.
func (f Facts) deadline(now time.Time) time.Time {
	return earliest(f.OutdatedSince, now).Add(f.Policy.Deadline)
}

func (f Facts) noSessions() bool { return f.Sessions != nil && *f.Sessions == 0 }

func pending(reason, format string, args ...any) Decision {
	return Decision{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func failed(format string, args ...any) Decision {
	return pending(devv1.ReasonAgentUpdateFailed, format, args...)
}

// earliest returns t, or now if t is zero or in the future.
func earliest(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t
}
