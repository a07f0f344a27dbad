package simulation

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/lifecycle"
)

// operator is one process of it, as far as this box goes: what it forgets when
// it ends.
type operator struct {
	up    bool
	since time.Time
	// life tells the happenings of this process from those of one before it.
	life int
	// wake is which of its timers holds, pending whether a pass is about to be.
	wake    int
	pending bool
	entry   *entry
}

// entry is the box in the poller.
type entry struct {
	pod    string
	target agentclient.Target
	result agentclient.Result
	asked  bool
	turn   int
}

var errNoAnswer = errors.New("no answer")

// slack is what the operator allows for between an agent's reckoning and its
// own.
const slack = 2 * time.Second

func (o *operator) start(w *world) {
	o.life++
	*o = operator{up: true, since: w.now, life: o.life}
	if w.excuse(w.now); w.truth.setBack || w.lease.RenewTime.After(w.operatorTime()) {
		w.countAnew()
	}
	if w.troubles.clocks && w.chance(0.2) {
		// Its node started with it, and finds the time while it warns of what is overdue.
		w.after(w.between(10*time.Second, 6*time.Minute), w.moveClock)
	}
	o.soon(w)
}

// crash ends the operator; another one starts some time later.
func (o *operator) crash(w *world) {
	if !o.up {
		return
	}
	w.count("operator crashes")
	o.up, o.life = false, o.life+1
	down := w.between(time.Second, 3*time.Minute)
	if w.chance(0.2) {
		down = w.between(time.Minute, 4*time.Hour)
	}
	w.excuse(w.now.Add(down))
	w.after(down, func() { o.start(w) })
}

// after has something happen, unless the operator ends before.
func (o *operator) after(w *world, d time.Duration, do func()) {
	life := o.life
	w.after(d, func() {
		if o.up && o.life == life {
			do()
		}
	})
}

// edited is an edit of the DevServer.
func (o *operator) edited(w *world) {
	w.server.Generation++
	o.soon(w)
}

// soon has the operator look at the box: an event.
func (o *operator) soon(w *world) {
	if !o.up || o.pending {
		return
	}
	o.pending = true
	o.after(w, w.between(time.Millisecond, 300*time.Millisecond), func() {
		o.pending = false
		w.pass()
	})
}

// pass is one over the box: as Reconcile. It ends early where the operator
// crashes, or a write is refused.
func (w *world) pass() {
	marked := w.lease.Mark
	decision, ok := w.step()
	critical := marked != w.lease.Mark
	if !ok || w.deleted || w.crashes(critical) {
		return
	}
	if w.resumed() {
		w.truth.called = w.now // Its owner is there.
	}
	w.runs(decision)
	w.setStatus(decision)
	if w.crashes(critical) {
		return
	}
	if !decision.Renew.IsZero() {
		if w.lease.RenewTime.Equal(w.truth.renewed) && w.lease.RenewTime.After(w.operatorTime()) {
			w.truth.anew = w.now // Nothing depended on it before, so that it is set right now.
		}
		w.lease.there, w.lease.RenewTime = true, micro(decision.Renew)
		w.lease.version++
		w.op.soon(w)
	}
	w.watch(decision)
	w.truth.ahead = 0
	w.op.wake++
	if wake := w.op.wake; !decision.Again.IsZero() {
		w.op.after(w, max(decision.Again.Sub(w.operatorTime()), time.Second), func() {
			if wake == w.op.wake {
				w.pass()
			}
		})
	}
}

// crashes tells whether the operator ends here, which it does more often where
// it matters.
func (w *world) crashes(critical bool) bool {
	p := 0.003
	if critical {
		p = 0.1
	}
	if w.troubles.operator && w.chance(p) {
		w.op.crash(w)
	}
	return !w.op.up
}

// step decides, and makes the step that the decision asks for.
func (w *world) step() (lifecycle.Decision, bool) {
	facts := w.facts()
	d := w.decide(facts)
	switch d.Act {
	case lifecycle.ActSleep:
		return w.sleep(d, facts)
	case lifecycle.ActDelete:
		w.checkDeletion(d)
		w.count("deletions")
		w.account()
		w.deleted = true
	case lifecycle.ActUnmark:
		if w.lease.Mark != nil {
			if facts.Pod != nil && !w.truth.woken {
				w.count("marks lapsed")
				w.truth.woken = true
			}
			if w.startedSince(w.truth.asleepAt) {
				w.truth.woken = true // Whatever becomes of its schedule now.
			}
			if facts.Pod != nil && w.startedSince(w.truth.markedAt) && w.truth.markedAt.After(w.truth.called) {
				w.truth.called = w.truth.markedAt // It has its whole timeout again, although its pod never went.
			}
			w.lease.Mark = nil
			w.lease.version++
			w.op.soon(w)
		}
	}
	return d, true
}

func (w *world) decide(facts lifecycle.Facts) lifecycle.Decision {
	d := lifecycle.Decide(w.policy, facts, w.operatorTime())
	w.count("decisions")
	w.checkTimer(facts, d)
	if d.Act == lifecycle.ActSleep && d.Cause != lifecycle.CauseExpired && facts.Pod.Silent && facts.Pod.Hindered == "" {
		w.fault("the box is to sleep although its agent is silent")
	}
	return d
}

func (w *world) facts() lifecycle.Facts {
	f := lifecycle.Facts{Suspend: w.server.Spec.Suspend, Resumed: w.resumed(), SuspendedAt: w.suspended, Gone: w.pod == nil, DeletesAt: w.deletes, AnnouncedAt: w.announced, Expired: w.expired}
	if w.server.Spec.RestartedAt != nil {
		f.RestartedAt = w.server.Spec.RestartedAt.Time
	}
	if w.lease.there {
		f.Lease = w.lease.Lease
	}
	p, e := w.pod, w.op.entry
	if p == nil || p.terminating {
		return f
	}
	f.Pod = &lifecycle.Pod{StartedAt: p.startAt.Truncate(time.Second), ReadyAt: p.readyAt, ReadyUntil: p.readyUntil, Hindered: p.hindered}
	if e == nil || e.pod != p.id || !e.asked {
		return f
	}
	f.Pod.Silent = e.result.Silent()
	if !e.result.At.IsZero() {
		work, signal := e.result.LastWork()
		f.Pod.Sighting = &lifecycle.Sighting{LastWork: work, Signal: signal, Keep: e.result.Report.Keep()}
	}
	return f
}

// resumed tells whether the owner let the box run again, or may have.
func (w *world) resumed() bool {
	if w.cause == lifecycle.CauseOwner {
		return !w.server.Spec.Suspend
	}
	return w.server.Generation-w.observed >= 2
}

// sleep is the drain and the mark.
func (w *world) sleep(d lifecycle.Decision, facts lifecycle.Facts) (lifecycle.Decision, bool) {
	now, version := w.operatorTime(), w.lease.version
	if d.Cause == lifecycle.CauseExpired {
		w.checkSleep(d)
		w.expired = &lifecycle.Expiry{RestartedAt: facts.RestartedAt}
		facts = w.facts()
		facts.Resumed = false
		return w.decide(facts), true
	}
	if d.Hindered == "" && !w.drain(max(0, now.Sub(d.Work.Last)-slack)) {
		w.count("drains refused")
		if d = w.decide(w.facts()); d.Act == lifecycle.ActSleep {
			d.Act, d.Work, d.Again = lifecycle.ActNone, nil, now.Add(time.Minute)
		}
		return d, true
	}
	if w.crashes(true) {
		return d, false
	}
	if w.troubles.races && w.chance(0.1) {
		w.renewByGateway() // Somebody connects at this very moment.
	}
	mark := lifecycle.MarkOf(d.Cause, facts, now)
	if w.lease.version != version {
		w.count("marks refused")
		w.op.after(w, time.Second, w.pass)
		return d, false
	}
	w.checkSleep(d)
	w.truth.markedAt = w.now
	w.lease.there, w.lease.Mark = true, lifecycle.ParseMark(mark.Text())
	w.lease.version++
	w.op.soon(w)
	facts.Lease.Mark, facts.Resumed = &mark, false
	return w.decide(facts), true
}

// drain asks the agent, as agentclient.Poller.Drain.
func (w *world) drain(idle time.Duration) bool {
	e, p := w.op.entry, w.pod
	if e == nil || e.pod != p.id {
		return false
	}
	var err error
	var report agentapi.Report
	drained := false
	if w.answers() {
		drained, report = p.drain(agentapi.Drain{IdleSeconds: idle.Seconds()}, w.now)
	}
	if !drained && report.UpSeconds == 0 || w.lost() {
		drained, err = false, errNoAnswer
		w.excuse(w.now.Add(agentclient.Often))
	}
	if drained {
		return true
	}
	e.asked = true
	e.result, _, _ = e.target.Note(e.result, report, err, w.operatorTime())
	for err != nil && !e.result.Silent() {
		e.result, _, _ = e.target.Note(e.result, report, err, w.operatorTime())
	}
	if err != nil {
		w.ask(e, 15*time.Second)
	}
	return false
}

// watch has the agent asked.
func (w *world) watch(d lifecycle.Decision) {
	p, e := w.pod, w.op.entry
	switch {
	case p == nil, p.terminating, !d.Run:
		w.op.entry = nil
		return
	case p.readyAt.IsZero():
		return
	}
	t := agentclient.Target{Pod: types.UID(p.id), Watched: d.Watched || !d.ExpiresAt.IsZero(), Every: w.policy.AskEvery()}
	if d.Warning != nil {
		t.Instructions.Warning = d.Warning.Sentence()
	}
	if d.Work != nil {
		t.Known = d.Work.Last
		if d.Work.State != lifecycle.Idle {
			t.Restless = w.policy.RenewEvery()
		}
	}
	if e == nil || e.pod != p.id {
		w.op.entry = &entry{pod: p.id, target: t}
		w.ask(w.op.entry, w.between(0, time.Second))
		return
	}
	sooner := e.target.Instructions.Warning != t.Instructions.Warning || t.Interval() < e.target.Interval()
	if e.target = t; sooner {
		w.ask(e, 0)
	}
}

// ask asks the agent after a while, over and over.
func (w *world) ask(e *entry, wait time.Duration) {
	e.turn++
	turn := e.turn
	mine := func() bool { return w.op.entry == e && e.turn == turn }
	w.op.after(w, wait, func() {
		if !mine() {
			return
		}
		w.count("polls")
		p := w.pod
		took, err, report := w.between(time.Millisecond, 300*time.Millisecond), error(nil), agentapi.Report{}
		if p != nil && !p.terminating && w.answers() {
			w.tell(p, e.target.Instructions)
			report = p.says(w.now)
		} else {
			took, err = 5*time.Second, errNoAnswer
		}
		if w.lost() {
			err = errNoAnswer
		}
		w.op.after(w, took, func() {
			if mine() {
				w.answered(e, report, err)
			}
		})
	})
}

func (w *world) answered(e *entry, report agentapi.Report, err error) {
	if err != nil {
		w.count("polls without answer")
		w.excuse(w.now.Add(agentclient.Often))
	}
	var again time.Duration
	var news bool
	e.asked = true
	e.result, again, news = e.target.Note(e.result, report, err, w.operatorTime())
	if news {
		w.op.soon(w)
	}
	w.checkHeld()
	w.ask(e, again-w.upTo(again/20))
}

// answers tells whether the agent can be reached.
func (w *world) answers() bool {
	return !w.pod.agentUp.IsZero() && !w.pod.agentUp.After(w.now) && !w.pod.mutedUntil.After(w.now)
}

func (w *world) lost() bool { return w.troubles.network && w.chance(0.005) }

func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
