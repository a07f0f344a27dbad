// Package agentclient is the operator's side of the agents: a client of their
// control endpoint, and a Poller that asks all of them, over and over, for a report
// and says which reports are news.
//
// The Poller writes nothing: an operator that restarts asks again.
package agentclient

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/event"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

const (
	// ActiveInterval is how often an agent is asked whose server's activity matters.
	ActiveInterval = time.Minute
	// IdleInterval is how often any other agent is asked: the home may fill up.
	IdleInterval = 5 * time.Minute
	// retryInterval is how soon an agent is asked again that did not answer.
	retryInterval = 15 * time.Second
	// patience is how many times in a row an agent may not answer before it counts as
	// unreachable.
	patience = 3
	// workers is how many agents are asked at a time. Each agent of a lost zone takes
	// the whole timeout, and must not delay the others.
	workers = 256
	// pace is the time between the first questions to two agents, so that an operator
	// that starts does not ask ten thousand at once.
	pace = 5 * time.Millisecond
)

// Agent is one agent's control endpoint.
type Agent interface {
	Poll(ctx context.Context, i agentapi.Instructions) (agentapi.Report, error)
	Drain(ctx context.Context, d agentapi.Drain) (drained bool, r agentapi.Report, err error)
}

// Poller asks agents. Use NewPoller to create one.
type Poller struct {
	clock   clock.PassiveClock
	connect func(Address) (Agent, error)
	queue   workqueue.TypedDelayingInterface[types.NamespacedName]
	news    chan event.TypedGenericEvent[*devv1.DevServer]

	mu      sync.Mutex
	servers map[types.NamespacedName]*entry
	// began is when the first server was watched, answered when any agent answered
	// last.
	began, answered time.Time
}

type entry struct {
	target Target
	agent  Agent
	result Result
}

// NewPoller returns a Poller that connects to agents with connect.
func NewPoller(c clock.PassiveClock, connect func(Address) (Agent, error)) *Poller {
	return &Poller{
		clock:   c,
		connect: connect,
		queue:   workqueue.NewTypedDelayingQueue[types.NamespacedName](),
		news:    make(chan event.TypedGenericEvent[*devv1.DevServer]),
		servers: map[types.NamespacedName]*entry{},
	}
}

// News receives the servers whose report changed in a way that matters.
func (p *Poller) News() <-chan event.TypedGenericEvent[*devv1.DevServer] { return p.news }

// Watch asks a server's agent from now on, or goes on asking it, with new
// instructions.
func (p *Poller) Watch(key types.NamespacedName, t Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	if e == nil || e.target.Pod != t.Pod || e.target.Address != t.Address {
		p.servers[key] = &entry{target: t}
		p.queue.AddAfter(key, p.first(t))
		return
	}
	sooner := e.target.Instructions.Warning != t.Instructions.Warning || t.Interval() < e.target.Interval()
	e.target = t
	if sooner {
		p.queue.Add(key) // A warning must be shown now.
	}
}

// first is when an agent is asked for the first time.
func (p *Poller) first(t Target) time.Duration {
	spread := time.Second
	switch now := p.clock.Now(); {
	case !t.TracksActivity && !t.AwaitsSessions && t.Instructions.Notice == "":
		spread = IdleInterval // There is no notice to show at login either.
	case p.began.IsZero():
		p.began = now
	case now.Sub(p.began) < ActiveInterval:
		spread += pace * time.Duration(len(p.servers)) // The operator has just started, and finds them all.
	}
	return rand.N(spread) //nolint:gosec // no secret
}

// Forget stops asking a server's agent.
func (p *Poller) Forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.servers, key)
}

// Last is the result of asking the agent in that pod; ok is false until it was
// asked.
func (p *Poller) Last(key types.NamespacedName, pod types.UID) (r Result, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	if e == nil || e.target.Pod != pod || (e.result.At.IsZero() && e.result.Failures == 0) {
		return Result{}, false
	}
	if e.result.Unreachable() && len(p.servers) >= several && p.clock.Since(p.answered) > ActiveInterval {
		return Result{}, false // No agent answers: the fault is not this one's.
	}
	return e.result, true
}

// several agents do not become unreachable at once for separate reasons.
const several = 5

// Drain asks an agent whether its server can be suspended. Its answer, if there is
// one, becomes the last result.
func (p *Poller) Drain(ctx context.Context, key types.NamespacedName, d agentapi.Drain) (drained bool) {
	agent := p.agentOf(key)
	if agent == nil {
		return false
	}
	drained, report, err := agent.Drain(ctx, d)
	if drained {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.servers[key]; e != nil && e.agent == agent {
		if err != nil {
			// It counts as unreachable at once: a suspension depends on its answer.
			e.result.Failures, e.result.Err = max(e.result.Failures+1, patience), err
			p.queue.AddAfter(key, retryInterval)
			return false
		}
		e.result = e.result.answered(report, p.clock.Now())
	}
	return false
}

// Release ends a drain: the server is not suspended after all. If the agent does not
// receive it, the drain ends by itself after agentapi.DrainTime.
func (p *Poller) Release(ctx context.Context, key types.NamespacedName) {
	if agent := p.agentOf(key); agent != nil {
		_, _, _ = agent.Drain(ctx, agentapi.Drain{Release: true})
	}
}

func (p *Poller) agentOf(key types.NamespacedName) Agent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.servers[key]; e != nil {
		return e.agent
	}
	return nil
}

// Start asks until ctx ends. It makes Poller a part of a manager.
func (p *Poller) Start(ctx context.Context) error {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for p.next(ctx) {
			}
		})
	}
	<-ctx.Done()
	p.queue.ShutDown()
	wg.Wait()
	return nil
}

// NeedLeaderElection is true: only the replica that acts asks.
func (p *Poller) NeedLeaderElection() bool { return true }

func (p *Poller) next(ctx context.Context) bool {
	key, over := p.queue.Get()
	if over {
		return false
	}
	defer p.queue.Done(key)
	again, news := p.Ask(ctx, key)
	if news {
		p.announce(ctx, key)
	}
	if again > 0 {
		p.queue.AddAfter(key, again)
	}
	return true
}

// Ask asks one agent, and returns when to ask it again, 0 for never, and whether its
// report is news.
func (p *Poller) Ask(ctx context.Context, key types.NamespacedName) (again time.Duration, news bool) {
	e, t, err := p.entry(key)
	if e == nil {
		return 0, false
	}
	var report agentapi.Report
	if err == nil {
		report, err = e.agent.Poll(ctx, t.Instructions)
	}
	if ctx.Err() != nil {
		return 0, false
	}
	return p.note(key, e, report, err)
}

// note records an answer, and returns when to ask again and whether it is news.
func (p *Poller) note(key types.NamespacedName, e *entry, report agentapi.Report, err error) (again time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.servers[key] != e {
		return 0, false // The pod was replaced, or is not watched any more.
	}
	now := p.clock.Now()
	if err == nil {
		p.answered = now
	}
	e.result, again, news = e.target.Next(e.result, report, err, now)
	return again, news
}

// entry is a server with its agent, which is connected if it was not.
func (p *Poller) entry(key types.NamespacedName) (*entry, Target, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	if e == nil {
		return nil, Target{}, nil
	}
	if e.agent == nil {
		agent, err := p.connect(e.target.Address)
		if err != nil {
			return e, e.target, err
		}
		e.agent = agent
	}
	return e, e.target, nil
}

// announce blocks until the controller takes the news, which it always does.
func (p *Poller) announce(ctx context.Context, key types.NamespacedName) {
	d := &devv1.DevServer{}
	d.Namespace, d.Name = key.Namespace, key.Name
	select {
	case p.news <- event.TypedGenericEvent[*devv1.DevServer]{Object: d}:
	case <-ctx.Done():
	}
}
