package simulation

import (
	"fmt"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/policy"
)

// troubles are the kinds of failures that a server has. Each server has some of them:
// with wrong clocks, less can be checked.
type troubles struct {
	operator, network, agent, clocks, races, owner, edits, node, image bool
}

// trouble chooses the server's troubles and makes them happen.
func (w *world) trouble() {
	if w.chance(0.15) {
		return // Nothing fails.
	}
	half := func() bool { return w.chance(0.5) }
	w.troubles = troubles{half(), half(), half(), w.chance(0.3), half(), half(), half(), half(), half()}
	every := func(on bool, mean time.Duration, do func()) {
		var again func()
		again = func() {
			w.after(w.between(mean/20, 2*mean), func() {
				if do(); !w.deleted {
					again()
				}
			})
		}
		if on {
			again()
		}
	}
	every(w.troubles.operator, 18*time.Hour, func() { w.op.crash(w) })
	every(w.troubles.agent, 30*time.Hour, w.loseAgent)
	every(w.troubles.agent, 40*time.Hour, w.crashAgent)
	every(w.troubles.clocks, 20*time.Hour, w.moveClock)
	every(w.troubles.races, 15*time.Hour, w.renewByGateway)
	every(w.troubles.owner, 60*time.Hour, w.suspend)
	every(w.troubles.edits, 50*time.Hour, w.edit)
	every(w.troubles.node, 60*time.Hour, w.disrupt)
}

func cron(hour, minute int) string { return fmt.Sprintf("%d %d * * *", minute, hour) }

// loseAgent makes the agent unreachable for a while.
func (w *world) loseAgent() {
	if w.pod == nil {
		return
	}
	d := w.between(5*time.Second, 3*time.Minute)
	if w.chance(0.3) {
		d = w.between(time.Minute, 5*time.Hour)
	}
	w.pod.unreachableUntil = w.now.Add(d)
	// It is asked again within a minute of that.
	w.excuse(w.now.Add(d + time.Minute))
}

// crashAgent restarts the agent, which then knows nothing of earlier activity. Half
// of the times the whole container restarts.
func (w *world) crashAgent() {
	p := w.pod
	if p == nil || p.readyAt.IsZero() || p.terminating {
		return
	}
	w.count("agent crashes")
	w.account()
	back := w.now.Add(w.between(time.Second, 20*time.Second))
	p.agentUp, p.drainedAt, p.warning = back, time.Time{}, ""
	w.excuse(back.Add(time.Minute))
	if w.chance(0.5) {
		return
	}
	w.endProcesses(p)
	p.readyAt, p.readyUntil = time.Time{}, w.now.Truncate(time.Second)
	w.op.soon(w)
	if w.troubles.image && w.chance(0.3) {
		// It crashes again and again, and its agent with it.
		w.failStart(p, devv1.ReasonCrashLoop)
		back = w.now.Add(w.between(time.Minute, 10*time.Hour))
		p.agentUp = back
	}
	w.after(back.Sub(w.now), func() {
		if w.pod == p && !p.terminating {
			p.startFailure, w.truth.startFailure = "", false
			p.readyAt, p.readyUntil = w.now.Truncate(time.Second), time.Time{}
			w.op.soon(w)
		}
	})
}

// moveClock makes a clock wrong by up to an hour, or correct again. The operator's is
// sometimes a day ahead for some hours.
func (w *world) moveClock() {
	w.count("clock jumps")
	w.truth.skewed = true
	clock := []*time.Duration{&w.opClock, &w.gateClock, &w.userClock}[w.rng.IntN(3)]
	was := w.opClock
	if *clock = w.between(-time.Hour, time.Hour); w.chance(0.3) {
		*clock = 0
	}
	if clock == &w.opClock && w.chance(0.2) {
		*clock += 24 * time.Hour
		w.after(w.between(time.Minute, 10*time.Hour), func() {
			if was := w.opClock; was > 2*time.Hour {
				w.opClock -= 24 * time.Hour
				w.jumped(was)
			}
		})
	}
	w.jumped(was)
}

// jumped records that the operator's clock was set.
func (w *world) jumped(was time.Duration) {
	if by := w.opClock - was; by > 0 {
		w.truth.ahead, w.truth.forward = w.truth.ahead+by, w.now
	} else if by < 0 {
		w.truth.setBack, w.truth.renewed = true, w.lease.RenewTime
		w.countFromNow()
	}
}

// countFromNow records that the operator may count activity as activity of now,
// because its clock was set back and the activity is in the future: up to the moment
// in which it decides and the agent has answered.
func (w *world) countFromNow() {
	decides := w.now
	switch p := w.pod; {
	case p == nil:
	case p.startFailure != "":
		// There is no agent to ask: it decides when the stop would have been near.
		decides = decides.Add(max(w.policy.IdleTimeout, policy.IdleAfterStop))
	case p.unreachableUntil.After(decides):
		decides = p.unreachableUntil
	}
	w.truth.countsFrom = decides.Add(agentclient.ActiveInterval)
	if w.op.up {
		w.truth.setBack = false
	}
}

func (w *world) suspend() {
	w.server.Spec.Suspend, w.truth.resumed = true, false
	w.op.soon(w)
	asked := w.now
	w.after(time.Minute, func() {
		if w.server.Spec.Suspend && w.replicas == 1 && w.op.up && w.op.since.Before(asked) {
			w.fault("the owner suspended the server, but it runs")
		}
	})
	if !w.chance(0.5) {
		return
	}
	back := w.between(time.Minute, 10*time.Hour)
	if w.chance(0.3) {
		back = w.upTo(time.Second) // Possibly before a pass has seen it.
	}
	w.after(back, func() {
		if !w.server.Spec.Suspend {
			return // The owner resumed it earlier.
		}
		// If no pass has seen the suspension, there is nothing to resume. A pass that
		// crashed before it wrote the status may have cleared the Lease's.
		resumes := lifecycle.Resumed(false, w.cause)
		w.server.Spec.Suspend, w.truth.resumed = false, resumes || w.lease.Suspension == nil
		w.op.soon(w)
		seen := resumes && w.op.up && w.op.since.Before(asked)
		w.after(time.Minute, func() {
			if seen && w.op.up && w.op.since.Before(asked) && w.replicas == 0 && !w.server.Spec.Suspend && !w.truth.startFailure {
				w.fault("the owner resumed the server, but it does not run")
			}
		})
	})
}

func (w *world) edit() {
	w.choosePolicy()
	w.excuse(w.now.Add(time.Minute))
	w.op.soon(w)
}

// disrupt evicts the pod, or makes its SSH server not answer for a while.
func (w *world) disrupt() {
	p := w.pod
	if p == nil || p.readyAt.IsZero() || p.terminating {
		return
	}
	if w.chance(0.5) {
		w.stopPod(time.Second)
		return
	}
	p.readyAt, p.readyUntil = time.Time{}, w.now.Truncate(time.Second)
	w.op.soon(w)
	w.after(w.between(10*time.Second, 10*time.Minute), func() {
		if w.pod == p && !p.terminating && p.startFailure == "" {
			p.readyAt, p.readyUntil = w.now.Truncate(time.Second), time.Time{}
			w.op.soon(w)
		}
	})
}
