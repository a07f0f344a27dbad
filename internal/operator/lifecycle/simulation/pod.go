package simulation

import (
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// pod is the box's pod, with the agent in it.
type pod struct {
	id                 string
	createdAt, startAt time.Time
	// readyAt is zero while SSH does not answer, agentUp is since when the agent
	// watches.
	readyAt, agentUp time.Time
	// readyUntil is when SSH ceased to answer.
	readyUntil  time.Time
	terminating bool
	// hindered is why its container cannot run, while it cannot.
	hindered string
	// mutedUntil is how long the agent does not answer.
	mutedUntil time.Time
	// drainedAt is when the agent last agreed to a stop.
	drainedAt time.Time
	// signals are when each was at work: to the end, which may be to come.
	signals map[string]*interval
	keep    string
	warning string
	told    []telling
}

type interval struct{ from, to time.Time }

type telling struct {
	at   time.Time
	text string
}

var signalNames = []string{agentapi.SignalTerminal, agentapi.SignalSSH, agentapi.SignalCPU, agentapi.SignalGPU, agentapi.SignalKeep}

// createPod is what the StatefulSet controller, the scheduler and the kubelet do.
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
		wait = w.between(time.Minute, 2*time.Hour) // an image that is slow to come
	}
	if w.troubles.image && w.chance(0.1) {
		// One that is not there, until somebody pushes it.
		w.after(wait, func() { w.hinder(p, devv1.ReasonImagePullFailed) })
		wait += w.between(time.Minute, 20*time.Hour)
	}
	w.after(wait, func() {
		if w.pod != p || p.terminating {
			return
		}
		p.hindered, w.truth.hindered = "", false
		p.readyAt, p.agentUp = w.now.Truncate(time.Second), w.now
		w.op.soon(w)
	})
}

// hinder has the pod's container not run from now on.
func (w *world) hinder(p *pod, why string) {
	if w.pod != p || p.terminating {
		return
	}
	w.count("containers hindered")
	w.excuse(w.now.Add(time.Minute)) // Before, nobody knew.
	p.hindered, w.truth.hindered = why, true
	w.op.soon(w)
}

// scale is what becomes of replicas. The StatefulSet controller is quick, but
// not at once.
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

// stopPod ends the pod, and all that it works at.
func (w *world) stopPod(grace time.Duration) {
	p := w.pod
	w.account()
	p.terminating, p.readyAt = true, time.Time{}
	w.endWork(p)
	w.op.soon(w)
	w.after(grace, func() {
		w.account()
		w.pod = nil
		w.op.soon(w)
		w.after(w.between(50*time.Millisecond, 2*time.Second), w.createPod)
	})
}

// endWork is what becomes of processes that are killed.
func (w *world) endWork(p *pod) {
	for _, s := range p.signals {
		if s.to.After(w.now) {
			s.to = w.now
		}
	}
	p.keep = ""
}

// begin has the box at work with a signal for a time.
func (w *world) begin(signal string, d time.Duration) {
	w.account()
	s := w.pod.signals[signal]
	if s == nil {
		s = &interval{from: w.now}
		w.pod.signals[signal] = s
	}
	if to := w.now.Add(d); to.After(s.to) {
		s.to = to
	}
	w.after(d, w.account)
}

// lastActivity is when the pod was last at work; zero for never.
func (p *pod) lastActivity(now time.Time) time.Time {
	var last time.Time
	for _, s := range p.signals {
		if s.to.After(last) {
			last = s.to
		}
	}
	if last.After(now) {
		return now
	}
	return last
}

// open tells whether the box takes a new session.
func (p *pod) open(now time.Time) bool {
	return !p.readyAt.IsZero() && !p.terminating && !p.mutedUntil.After(now) &&
		(p.drainedAt.IsZero() || now.Sub(p.drainedAt) >= agentapi.DrainTime)
}

// says is the agent's report.
func (p *pod) says(now time.Time) agentapi.Report {
	r := agentapi.Report{UpSeconds: now.Sub(p.agentUp).Seconds()}
	for _, name := range signalNames {
		s := agentapi.Signal{Name: name, IdleSeconds: -1}
		if span := p.signals[name]; span != nil && !span.to.Before(p.agentUp) {
			s.IdleSeconds = max(0, now.Sub(span.to).Seconds())
		}
		if name == agentapi.SignalKeep {
			s.Value = p.keep
		}
		r.Signals = append(r.Signals, s)
	}
	return r
}

// drain is the agent's answer to whether the box may be stopped.
func (p *pod) drain(d agentapi.Drain, now time.Time) (bool, agentapi.Report) {
	report := p.says(now)
	if idle, _ := report.Idle(); idle.Seconds() < d.IdleSeconds {
		return false, report
	}
	p.drainedAt = now
	return true, report
}

// tell is what an agent does with the instructions of a poll.
func (w *world) tell(p *pod, i agentapi.Instructions) {
	if i.Warning != "" && i.Warning != p.warning {
		w.count("warnings told")
		p.told = append(p.told, telling{w.now, i.Warning})
	}
	p.warning = i.Warning
}
