package simulation

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// pod is the server's pod, with the agent in it.
type pod struct {
	id                 string
	createdAt, startAt time.Time
	// readyAt is zero while SSH does not answer. agentUp is when the agent started.
	readyAt, agentUp time.Time
	// readyUntil is when SSH stopped answering.
	readyUntil  time.Time
	terminating bool
	// startFailure is why its container cannot run; empty if it can.
	startFailure string
	// unreachableUntil is until when the agent does not answer.
	unreachableUntil time.Time
	// drainedAt is when the agent last agreed to a stop.
	drainedAt time.Time
	// signals is when each signal was active; the end may be in the future.
	signals     map[string]*interval
	keptAwakeBy string
	warning     string
	shown       []shownWarning
}

type interval struct{ from, to time.Time }

type shownWarning struct {
	at   time.Time
	text string
}

var signalNames = []string{agentapi.SignalTerminal, agentapi.SignalSSH, agentapi.SignalCPU, agentapi.SignalGPU, agentapi.SignalKeep}

// createPod creates and starts the pod, as the StatefulSet controller, the scheduler
// and the kubelet do.
func (w *world) createPod() {
	if w.pod != nil || w.replicas == 0 {
		return
	}
	w.account()
	w.truth.pods++
	p := &pod{id: time.Duration(w.truth.pods).String(), createdAt: w.now, startAt: w.now, signals: map[string]*interval{}}
	w.pod = p
	wait := w.between(time.Second, 40*time.Second)
	if w.chance(0.01) {
		wait = w.between(time.Minute, 2*time.Hour) // an image that takes long to pull
	}
	if w.troubles.image && w.chance(0.1) {
		// The image does not exist until it is pushed later.
		w.after(wait, func() { w.failStart(p, devv1.ReasonImagePullFailed) })
		wait += w.between(time.Minute, 20*time.Hour)
	}
	w.after(wait, func() {
		if w.pod != p || p.terminating {
			return
		}
		p.startFailure, w.truth.startFailure = "", false
		p.readyAt, p.agentUp = w.now.Truncate(time.Second), w.now
		w.op.soon(w)
	})
}

// failStart keeps the pod's container from running from now on.
func (w *world) failStart(p *pod, why string) {
	if w.pod != p || p.terminating {
		return
	}
	w.count("start failures")
	w.excuse(w.now.Add(time.Minute)) // The operator did not know before.
	p.startFailure, w.truth.startFailure = why, true
	w.op.soon(w)
}

// scale sets the replicas. The StatefulSet controller follows a moment later.
func (w *world) scale(replicas int) {
	if w.replicas == replicas {
		return
	}
	w.replicas = replicas
	w.after(w.between(50*time.Millisecond, 3*time.Second), func() {
		if w.replicas == 0 && w.pod != nil && !w.pod.terminating {
			w.stopPod(w.between(time.Second, 30*time.Second))
		}
		w.createPod()
	})
}

// stopPod ends the pod and its processes.
func (w *world) stopPod(grace time.Duration) {
	p := w.pod
	w.account()
	p.terminating, p.readyAt = true, time.Time{}
	w.endProcesses(p)
	w.op.soon(w)
	w.after(grace, func() {
		w.account()
		w.pod = nil
		w.op.soon(w)
		w.after(w.between(50*time.Millisecond, 2*time.Second), w.createPod)
	})
}

// endProcesses ends all activity of the pod.
func (w *world) endProcesses(p *pod) {
	for _, s := range p.signals {
		if s.to.After(w.now) {
			s.to = w.now
		}
	}
	p.keptAwakeBy = ""
}

// begin makes a signal active for a time.
func (w *world) begin(signal string, d time.Duration) {
	w.account()
	s := w.pod.signals[signal]
	if s == nil {
		s = &interval{from: w.now}
		w.pod.signals[signal] = s
	}
	s.to = latest(s.to, w.now.Add(d))
	w.after(d, w.account)
}

// lastActivity is when the pod was last active; zero for never.
func (p *pod) lastActivity(now time.Time) time.Time {
	var last time.Time
	for _, s := range p.signals {
		last = latest(last, s.to)
	}
	if last.After(now) {
		return now
	}
	return last
}

// open tells whether the server accepts a new session.
func (p *pod) open(now time.Time) bool {
	return !p.readyAt.IsZero() && !p.terminating && !p.unreachableUntil.After(now) &&
		(p.drainedAt.IsZero() || now.Sub(p.drainedAt) >= agentapi.DrainTime)
}

// report is the agent's report.
func (p *pod) report(now time.Time) agentapi.Report {
	r := agentapi.Report{UpSeconds: now.Sub(p.agentUp).Seconds()}
	for _, name := range signalNames {
		s := agentapi.Signal{Name: name, IdleSeconds: -1}
		if span := p.signals[name]; span != nil && !span.to.Before(p.agentUp) {
			s.IdleSeconds = max(0, now.Sub(span.to).Seconds())
		}
		if name == agentapi.SignalKeep {
			s.Value = p.keptAwakeBy
		}
		r.Signals = append(r.Signals, s)
	}
	return r
}

// drain is the agent's answer to a Drain.
func (p *pod) drain(d agentapi.Drain, now time.Time) (bool, agentapi.Report) {
	report := p.report(now)
	if idle, _ := report.Idle(); idle.Seconds() < d.IdleSeconds {
		return false, report
	}
	p.drainedAt = now
	return true, report
}

// instruct gives an agent the instructions of a poll.
func (w *world) instruct(p *pod, i agentapi.Instructions) {
	if i.Warning != "" && i.Warning != p.warning {
		w.count("warnings shown")
		p.shown = append(p.shown, shownWarning{w.now, i.Warning})
	}
	p.warning = i.Warning
}
