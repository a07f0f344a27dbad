package agentclient

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/agentapi"
)

const (
	// answerLasts is how long an answer counts from when the agent was asked, which is
	// enough for the next pass to come. A drained agent refuses sessions for longer, so
	// that there is time to stop the server.
	answerLasts = agentapi.DrainTime / 6
	// refusalLasts is how long an agent is not asked again that did not agree to a drain.
	refusalLasts = time.Minute
	// maxPushes is how often the keys are pushed to an agent that does not take them. The
	// kubelet brings the keys too, within two minutes.
	maxPushes = 5
)

// questions are what passes ask of an agent.
type questions struct {
	push    *push
	drain   *Question
	refresh *refresh
	// release is set until the agent has been told that an earlier drain is over.
	release bool
}

// Keys are the keys that may log in to a server.
type Keys struct {
	// Number tells the keys of one delivery from those of another, even if they are the
	// same.
	Number int
	// Text is the content of the file of keys.
	Text []byte
}

// push is a delivery of keys.
type push struct {
	number int
	text   []byte
	pushes int
	due    time.Time // when to push next
	done   bool
	err    error
}

// SetAuthorizedKeys gives keys to the agent in a pod, once for each Number. It returns
// true when the agent has them, or has not taken them several times, for the reason err.
func (p *Poller) SetAuthorizedKeys(key types.NamespacedName, pod types.UID, address Address, k Keys) (done bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.at(key, pod, address)
	if e.push == nil || e.push.number != k.Number {
		e.push = &push{number: k.Number, text: k.Text}
		p.asked.Add(key)
	}
	return e.push.done, e.push.err
}

// Drain asks the agent in a pod whether its server can be suspended. It returns false for
// answered until the agent has answered. If it does not agree, its report is the last
// result; if it does not answer, it counts as unreachable at once. An agent that agreed
// must be released if the server is not suspended after all.
func (p *Poller) Drain(key types.NamespacedName, pod types.UID, d agentapi.Drain) (drained, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	if e == nil || e.pod != pod || !e.watched || e.agent == nil {
		return false, true // There is no agent that could agree.
	}
	if !e.drain.Holds(d, p.clock.Now()) {
		p.withdraw(key, e)
		e.drain = NewQuestion(d)
		p.asked.Add(key)
	}
	return e.drain.Answer()
}

// Release ends a drain, if one was asked for: the server is not suspended after all. If
// the agent does not receive it, the drain ends by itself after agentapi.DrainTime.
func (p *Poller) Release(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.servers[key]; e != nil {
		p.withdraw(key, e)
	}
}

// withdraw drops the question, and releases the agent if it may have agreed.
func (p *Poller) withdraw(key types.NamespacedName, e *entry) {
	if e.drain.Outstanding() {
		e.release = true
		p.asked.Add(key)
	}
	e.drain = nil
}

// refresh is a report that a pass waits for.
type refresh struct {
	at       time.Time // when the agent was asked
	answered bool
}

// Refresh asks the agent in a pod for a new report. It returns true, once, when the agent
// was asked: the last result is then new, or says that the agent does not answer.
func (p *Poller) Refresh(key types.NamespacedName, pod types.UID) (done bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	switch {
	case e == nil, e.pod != pod, !e.watched:
		return true // There is no agent to ask.
	case e.refresh != nil && !e.refresh.answered:
		return false
	case e.refresh != nil && p.clock.Since(e.refresh.at) < answerLasts:
		e.refresh = nil
		return true
	}
	e.refresh = &refresh{}
	p.asked.Add(key)
	return false
}

func (p *Poller) askNext(ctx context.Context, key types.NamespacedName) {
	asked, answered := p.Answer(ctx, key)
	if answered {
		announce(ctx, p.answers, key)
	}
	if asked {
		p.asked.Add(key) // There may be another question, which waits for its turn.
	}
}

// Answer makes one call that answers a question of a pass, the most urgent one. It returns
// whether there was one, and whether a pass waits for the answer.
func (p *Poller) Answer(ctx context.Context, key types.NamespacedName) (asked, answered bool) {
	if call := p.mostUrgent(key); call != nil {
		return true, call(ctx)
	}
	return false, false
}

// mostUrgent returns a function that makes the most urgent call of a server, and returns
// whether a pass waits for the answer. It returns nil if nothing was asked.
func (p *Poller) mostUrgent(key types.NamespacedName) func(context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	if e == nil {
		return nil
	}
	now := p.clock.Now()
	switch keys, drain, report, instructions := e.push, e.drain, e.refresh, e.target.Instructions; {
	case keys != nil && !keys.done && !now.Before(keys.due):
		return func(ctx context.Context) bool { return p.pushKeys(ctx, key, e, keys) }
	case e.release:
		e.release = false
		return func(ctx context.Context) bool {
			p.endDrain(ctx, e)
			return false
		}
	case drain.Unsent():
		drain.Send(now)
		return func(ctx context.Context) bool { return p.askDrain(ctx, key, e, drain) }
	case report != nil && !report.answered:
		report.at = now
		return func(ctx context.Context) bool { return p.askReport(ctx, key, e, report, instructions) }
	}
	return nil
}

func (p *Poller) pushKeys(ctx context.Context, key types.NamespacedName, e *entry, keys *push) (answered bool) {
	err := p.call(e, func(agent Agent) error { return agent.SetAuthorizedKeys(ctx, keys.text) })
	if ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if keys.pushes++; err != nil && keys.pushes < maxPushes {
		wait := time.Second << keys.pushes
		keys.due = p.clock.Now().Add(wait)
		p.asked.AddAfter(key, wait)
		return false
	}
	keys.done, keys.err, keys.text = true, err, nil
	return p.servers[key] == e && e.push == keys
}

// endDrain releases an agent. If it does not receive that, the drain ends by itself.
func (p *Poller) endDrain(ctx context.Context, e *entry) {
	_ = p.call(e, func(agent Agent) error {
		_, _, err := agent.Drain(ctx, agentapi.Drain{Release: true})
		return err
	})
}

func (p *Poller) askDrain(ctx context.Context, key types.NamespacedName, e *entry, q *Question) (answered bool) {
	var drained bool
	var report agentapi.Report
	err := p.call(e, func(agent Agent) (err error) {
		drained, report, err = agent.Drain(ctx, q.Request)
		return err
	})
	if ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.servers[key] != e || e.drain != q {
		return false // It was withdrawn, and the agent will be released.
	}
	q.Record(drained && err == nil)
	switch {
	case err != nil:
		// It counts as unreachable at once: a suspension depends on its answer.
		e.result.Failures, e.result.Err = max(e.result.Failures+1, patience), err
		p.polls.AddAfter(key, retryInterval)
	case !drained:
		e.result = e.result.answered(report, p.clock.Now())
	}
	return true
}

func (p *Poller) askReport(ctx context.Context, key types.NamespacedName, e *entry, r *refresh, i agentapi.Instructions) (answered bool) {
	p.poll(ctx, key, e, i)
	if ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r.answered = true
	return p.servers[key] == e
}
