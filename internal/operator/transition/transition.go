// Package transition carries out what lifecycle decides: it suspends a server, if
// its agent agrees, ends a suspension, or deletes the DevServer. The operator and
// the simulation of it take the same steps.
package transition

import (
	"context"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// Server is a server as a transition sees it.
type Server interface {
	// Facts are what is known now, Decide decides from them, and Now is the time.
	Facts() lifecycle.Facts
	Decide(lifecycle.Facts) lifecycle.Decision
	Now() time.Time

	// Drain asks the agent to refuse new sessions, if the server has been idle since
	// idleSince. It does not wait for the answer: until answered is true, the agent is
	// being asked, and its answer leads to another call of CarryOut. drained is false if
	// the agent does not agree, or cannot be asked.
	Drain(idleSince time.Time) (drained, answered bool)
	// Release ends a drain, if the agent was asked for one: the server is not suspended
	// after all.
	Release()
	// RecordSuspension writes the suspension to the Lease, on the condition that the
	// Lease was not written since it was read.
	RecordSuspension(ctx context.Context, s lease.Suspension) error
	// ClearSuspension removes the suspension from the Lease.
	ClearSuspension(ctx context.Context) error
	// RecordExpiry writes to the status that the time to live is over.
	RecordExpiry(ctx context.Context) error
	// Delete deletes the DevServer.
	Delete(ctx context.Context, d lifecycle.Decision) error
}

// CarryOut takes the step that a decision requires, and returns the decision
// after that step.
func CarryOut(ctx context.Context, s Server, d lifecycle.Decision) (lifecycle.Decision, error) {
	switch {
	case d.Act == lifecycle.ActSuspend:
		var err error
		if d, err = suspend(ctx, s, d); err != nil {
			return d, err
		}
	case d.Act == lifecycle.ActNone && d.Run:
		s.Release() // The reason for a suspension may be gone since the agent was asked.
	}
	switch d.Act {
	case lifecycle.ActDelete:
		return d, s.Delete(ctx, d)
	case lifecycle.ActClearSuspension:
		s.Release() // It may have been drained a moment ago.
		return d, s.ClearSuspension(ctx)
	default:
		return d, nil
	}
}

// suspend takes the steps to a suspension. Each may fail without harm: the agent
// agrees, then the cause is recorded, and from then on the suspension is in force. The
// agent is asked in one call of CarryOut, and the next step is taken in another one, from
// facts that are read after the agent agreed.
func suspend(ctx context.Context, s Server, d lifecycle.Decision) (lifecycle.Decision, error) {
	if expires(d) {
		// Only the owner can undo an expiry, so it is recorded before anything stops.
		if err := s.RecordExpiry(ctx); err != nil {
			return d, err
		}
		return s.Decide(factsAfter(s)), nil
	}
	drained := true // A container that cannot run has no agent to ask.
	if d.StartFailure == "" {
		var answered bool
		if drained, answered = s.Drain(d.Activity.Last); !answered {
			d.AwaitsAgent, d.Renew = true, time.Time{} // Nothing is written while it is asked.
			return notYet(d, s.Now()), nil
		}
	}
	facts := factsAfter(s)
	if drained {
		suspension := lifecycle.SuspensionOf(d.Cause, facts, s.Now())
		if err := s.RecordSuspension(ctx, suspension); err != nil {
			// The Lease was renewed in this moment: a user is about to log in.
			s.Release()
			return d, err
		}
		facts.Lease.Suspension = &suspension
	}
	next := s.Decide(facts)
	if next.Act == lifecycle.ActSuspend {
		// The agent says that the server is active, without an activity to show. It has
		// the last word.
		return notYet(next, s.Now()), nil
	}
	return next, nil
}

// notYet is a decision to suspend a server, without its step: the server runs on, and
// what was reported of it stands.
func notYet(d lifecycle.Decision, now time.Time) lifecycle.Decision {
	d.Act, d.Activity, d.RequeueAt = lifecycle.ActNone, nil, now.Add(time.Minute)
	return d
}

// factsAfter are the facts after a step. That the server was resumed was a reason
// for the decision before.
func factsAfter(s Server) lifecycle.Facts {
	f := s.Facts()
	f.Resumed = false
	return f
}

func expires(d lifecycle.Decision) bool { return d.Cause == devv1.ReasonExpired }

// Tolerance is by how much an agent's computation of a time may differ from the
// operator's.
const Tolerance = 2 * time.Second

// DrainRequest is what an agent is asked before its server is suspended.
func DrainRequest(thresholds agentapi.Thresholds, idleSince, now time.Time) agentapi.Drain {
	return agentapi.Drain{Thresholds: thresholds, IdleSeconds: max(0, now.Sub(idleSince)-Tolerance).Seconds()}
}
