package simulation

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/operator/agentclient"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/transition"
)

// operator is one process of the operator, as far as this server is concerned: what
// it forgets when it ends.
type operator struct {
	up    bool
	since time.Time
	// life distinguishes the events of this process from those of an earlier one.
	life int
	// wake is the number of the timer that counts, pending is set while a pass is due.
	wake    int
	pending bool
	entry   *entry
}

// entry is the server in the poller.
type entry struct {
	pod    string
	target agentclient.Target
	result agentclient.Result
	asked  bool
	turn   int
	drain  *agentclient.Question
	// release is set until the agent has been told that an earlier drain is over.
	release bool
}

var errNoAnswer = errors.New("no answer")

func (o *operator) start(w *world) {
	o.life++
	*o = operator{up: true, since: w.now, life: o.life}
	if w.excuse(w.now); w.truth.setBack || w.lease.RenewTime.After(w.operatorTime()) {
		w.countFromNow()
	}
	if w.troubles.clocks && w.chance(0.2) {
		// Its node was started with it, and its clock is set while it warns.
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

// after calls do later, unless this operator has ended by then.
func (o *operator) after(w *world, d time.Duration, do func()) {
	life := o.life
	w.after(d, func() {
		if o.up && o.life == life {
			do()
		}
	})
}

// soon makes a pass happen soon, as an event does.
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

// pass is one pass over the server, as Reconcile. It ends early if the operator
// crashes, or a write is refused.
func (w *world) pass() {
	before := w.lease.Suspension
	decision, ok := w.step()
	critical := before != w.lease.Suspension
	if !ok || w.deleted || w.crashes(critical) {
		return
	}
	if w.resumed() {
		w.truth.renewedAt = w.now // Its owner just resumed it.
	}
	w.scaleTo(decision)
	w.setStatus(decision)
	if w.crashes(critical) {
		return
	}
	if !decision.Renew.IsZero() {
		if w.lease.RenewTime.Equal(w.truth.renewed) && w.lease.RenewTime.After(w.operatorTime()) {
			w.truth.countsFrom = w.now // Nothing depended on it before, so it is corrected only now.
		}
		w.lease.RenewTime = lease.Micro(decision.Renew)
		w.lease.version++
		w.op.soon(w)
	}
	w.watch(decision)
	w.truth.ahead = 0
	w.op.wake++
	if wake := w.op.wake; !decision.RequeueAt.IsZero() {
		w.op.after(w, max(decision.RequeueAt.Sub(w.operatorTime()), time.Second), func() {
			if wake == w.op.wake {
				w.pass()
			}
		})
	}
}

// crashes tells whether the operator ends here, which is more likely at a critical
// point.
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

// step decides, and takes the step that the decision requires, as the operator
// does. ok is false if the pass ends there.
func (w *world) step() (d lifecycle.Decision, ok bool) {
	facts := w.Facts()
	d, err := transition.CarryOut(context.Background(), w, w.Decide(facts))
	return d, err == nil
}

// world is a transition.Server.
var _ transition.Server = (*world)(nil)

var (
	errCrashed = errors.New("the operator crashed")
	errStale   = errors.New("the Lease was renewed since it was read")
	errDeleted = errors.New("the DevServer was deleted")
)

func (w *world) Now() time.Time { return w.operatorTime() }

func (w *world) Decide(facts lifecycle.Facts) lifecycle.Decision {
	d := lifecycle.Decide(w.policy, facts, w.operatorTime())
	w.count("decisions")
	w.checkTimer(facts, d)
	if d.Act == lifecycle.ActSuspend && d.Cause != devv1.ReasonExpired && facts.Pod.AgentUnreachable && facts.Pod.StartFailure == "" {
		w.fault("the server is about to be suspended although its agent does not answer")
	}
	return d
}

func (w *world) Facts() lifecycle.Facts {
	f := lifecycle.Facts{Lease: w.lease.Lease, Suspend: w.server.Spec.Suspend, Resumed: w.resumed(), SuspendedAt: w.suspended, NoPod: w.pod == nil, DeletesAt: w.deletes, LastWarningAt: w.announced, Expired: w.expired}
	if w.server.Spec.RestartedAt != nil {
		f.RestartedAt = w.server.Spec.RestartedAt.Time
	}
	p, e := w.pod, w.op.entry
	if p == nil || p.terminating {
		return f
	}
	f.Pod = &lifecycle.Pod{StartedAt: p.startAt.Truncate(time.Second), ReadyAt: p.readyAt, ReadyUntil: p.readyUntil, StartFailure: p.startFailure}
	if e == nil || e.pod != p.id || !e.asked {
		return f
	}
	f.Pod.AgentUnreachable = e.result.Unreachable()
	if !e.result.At.IsZero() {
		f.Pod.Activity = &lifecycle.AgentActivity{LastActivity: e.result.LastActivity(), KeptAwakeBy: e.result.Report.KeptAwakeBy()}
	}
	return f
}

// resumed tells whether the owner set spec.suspend to false since the last pass.
func (w *world) resumed() bool { return lifecycle.Resumed(w.server.Spec.Suspend, w.cause) }

// Drain asks the agent, as agentclient.Poller.Drain.
func (w *world) Drain(idleSince time.Time) (drained, answered bool) {
	e := w.op.entry
	if e == nil || e.pod != w.pod.id || !e.asked {
		return false, true
	}
	request := transition.DrainRequest(w.policy.Thresholds, idleSince, w.operatorTime())
	if !e.drain.Holds(request, w.now) {
		w.withdraw(e)
		q := agentclient.NewQuestion(request)
		e.drain = q
		w.op.after(w, w.between(0, 50*time.Millisecond), func() { w.sendDrain(e, q) })
	}
	return e.drain.Answer()
}

// Release ends a drain, as agentclient.Poller.Release.
func (w *world) Release() {
	if e := w.op.entry; e != nil {
		w.withdraw(e)
	}
}

// withdraw has an agent released that may have agreed.
func (w *world) withdraw(e *entry) {
	q := e.drain
	if e.drain = nil; q.Outstanding() {
		e.release = true
		w.op.after(w, w.between(time.Millisecond, 300*time.Millisecond), func() { w.sendRelease(e) })
	}
}

// sendRelease ends a drain, if that is due and the agent answers.
func (w *world) sendRelease(e *entry) {
	if e.release && w.pod != nil && e.pod == w.pod.id && w.answers() {
		w.pod.drainedAt = time.Time{}
	}
	e.release = false
}

func (w *world) RecordSuspension(_ context.Context, s lease.Suspension) error {
	version := w.lease.version
	if w.crashes(true) {
		return errCrashed
	}
	if w.troubles.races && w.chance(0.1) {
		w.renewByGateway() // The user connects at this very moment.
	}
	if w.lease.version != version {
		w.count("suspensions refused")
		w.op.after(w, time.Second, w.pass)
		return errStale
	}
	w.checkSuspend(s.Cause)
	w.truth.recordedAt = w.now
	w.lease.Suspension = lease.ParseSuspension(s.Text())
	w.lease.version++
	w.op.soon(w)
	return nil
}

func (w *world) ClearSuspension(context.Context) error {
	if w.lease.Suspension == nil {
		return nil
	}
	if facts := w.Facts(); facts.Pod != nil {
		if !w.truth.resumed {
			w.count("suspensions lapsed")
			w.truth.resumed = true
		}
		if w.startedSince(w.truth.recordedAt) && w.truth.recordedAt.After(w.truth.renewedAt) {
			w.truth.renewedAt = w.truth.recordedAt // It has its whole timeout again, because its pod never stopped.
		}
	}
	if w.startedSince(w.truth.suspendedAt) {
		w.truth.resumed = true // Even if its schedule is edited now.
	}
	w.lease.Suspension = nil
	w.lease.version++
	w.op.soon(w)
	return nil
}

func (w *world) RecordExpiry(context.Context) error {
	w.checkSuspend(devv1.ReasonExpired)
	w.expired = &lifecycle.Expiry{RestartedAt: w.Facts().RestartedAt}
	return nil
}

func (w *world) Delete(_ context.Context, d lifecycle.Decision) error {
	w.checkDeletion(d)
	w.count("deletions")
	w.account()
	w.deleted = true
	return errDeleted
}

// sendDrain sends a question to the agent, unless it was withdrawn.
func (w *world) sendDrain(e *entry, q *agentclient.Question) {
	if w.op.entry != e || e.drain != q {
		return
	}
	w.sendRelease(e) // Calls to an agent do not overtake each other.
	q.Send(w.now)
	took, err, drained, report := w.between(time.Millisecond, 300*time.Millisecond), error(nil), false, agentapi.Report{}
	if p := w.pod; p != nil && !p.terminating && p.id == e.pod && w.answers() {
		drained, report = p.drain(q.Request, w.now)
	} else {
		took, err = 3*time.Second, errNoAnswer
	}
	if w.lost() {
		drained, err = false, errNoAnswer
	}
	w.op.after(w, took, func() {
		if w.op.entry != e || e.drain != q {
			return
		}
		if q.Record(drained); !drained {
			w.refusedDrain(e, report, err)
		}
		w.op.soon(w)
	})
}

// refusedDrain records the report of an agent that did not agree. One that did not answer
// is unreachable at once.
func (w *world) refusedDrain(e *entry, report agentapi.Report, err error) {
	e.result, _, _ = e.target.Next(e.result, report, err, w.operatorTime())
	w.count("drains refused")
	if err == nil {
		return
	}
	w.excuse(w.now.Add(agentclient.ActiveInterval))
	for !e.result.Unreachable() {
		e.result, _, _ = e.target.Next(e.result, report, err, w.operatorTime())
	}
	w.ask(e, 15*time.Second)
}

// watch keeps the agent polled while the server runs.
func (w *world) watch(d lifecycle.Decision) {
	p, e := w.pod, w.op.entry
	switch {
	case p == nil, p.terminating, !d.Run:
		w.op.entry = nil
		return
	case p.readyAt.IsZero(), d.AwaitsAgent:
		return
	}
	t := agentclient.Target{Pod: types.UID(p.id), TracksActivity: d.TracksActivity || !d.ExpiresAt.IsZero(), Every: w.policy.PollEvery()}
	if d.Warning != nil {
		t.Instructions.Warning = d.Warning.Sentence()
	}
	if d.Activity != nil {
		t.Known = d.Activity.Last
		if d.Activity.State != lifecycle.Idle {
			t.Tolerance = w.policy.RenewEvery()
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

// ask polls the agent after a while, and again and again.
func (w *world) ask(e *entry, wait time.Duration) {
	e.turn++
	turn := e.turn
	current := func() bool { return w.op.entry == e && e.turn == turn }
	w.op.after(w, wait, func() {
		if !current() {
			return
		}
		w.count("polls")
		p := w.pod
		took, err, report := w.between(time.Millisecond, 300*time.Millisecond), error(nil), agentapi.Report{}
		if p != nil && !p.terminating && w.answers() {
			w.instruct(p, e.target.Instructions)
			report = p.report(w.now)
		} else {
			took, err = 5*time.Second, errNoAnswer
		}
		if w.lost() {
			err = errNoAnswer
		}
		w.op.after(w, took, func() {
			if current() {
				w.answered(e, report, err)
			}
		})
	})
}

func (w *world) answered(e *entry, report agentapi.Report, err error) {
	if err != nil {
		w.count("polls without answer")
		w.excuse(w.now.Add(agentclient.ActiveInterval))
	}
	var again time.Duration
	var news bool
	e.asked = true
	e.result, again, news = e.target.Next(e.result, report, err, w.operatorTime())
	if news {
		w.op.soon(w)
	}
	w.checkHeld()
	w.ask(e, again-w.upTo(again/20))
}

// answers tells whether the agent can be reached.
func (w *world) answers() bool {
	return !w.pod.agentUp.IsZero() && !w.pod.agentUp.After(w.now) && !w.pod.unreachableUntil.After(w.now)
}

func (w *world) lost() bool { return w.troubles.network && w.chance(0.005) }
