// Package agentclient is the operator's side of the agents: a client of their
// control endpoint, and a Poller that makes all calls to all agents.
//
// The Poller asks each agent, over and over, for a report, and says which reports are
// news. Passes over servers never wait for an agent: they ask a question of the Poller,
// with SetAuthorizedKeys, Drain or Refresh, and the answer leads to another pass. A
// server's users may control its agent, so a server takes one worker at most for polls and
// one for questions, and agents that do not answer promptly take half of them at most.
//
// The Poller writes nothing: an operator that restarts asks again.
package agentclient

import (
	"context"
	"errors"
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
	// workers is how many agents are polled at a time, and how many are asked the questions
	// of passes.
	workers = 256
	// prompt is how long a call to an agent may take. An agent whose last call took
	// longer, or failed, is slow.
	prompt = time.Second
	// slowWorkers is how many of the workers may call slow agents. Each agent of a lost
	// zone, or of a hostile user, takes the whole timeout, and must not delay the others.
	slowWorkers = workers / 2
	// slowRetry is how soon a slow agent's turn comes again if no worker may call it.
	slowRetry = time.Second
	// pace is the time between the first questions to two agents, so that an operator
	// that starts does not ask ten thousand at once.
	pace = 5 * time.Millisecond
)

// Agent is one agent's control endpoint.
type Agent interface {
	SetAuthorizedKeys(ctx context.Context, text []byte) error
	Poll(ctx context.Context, i agentapi.Instructions) (agentapi.Report, error)
	Drain(ctx context.Context, d agentapi.Drain) (drained bool, r agentapi.Report, err error)
}

type (
	queue  = workqueue.TypedDelayingInterface[types.NamespacedName]
	events = chan event.TypedGenericEvent[*devv1.DevServer]
)

// Poller calls agents. Use NewPoller to create one.
type Poller struct {
	clock   clock.PassiveClock
	connect func(Address) (Agent, error)
	// polls are the servers whose poll is due, asked those with a question of a pass.
	polls, asked  queue
	news, answers events

	mu      sync.Mutex
	servers map[types.NamespacedName]*entry
	// began is when the first server was watched, answered when any agent answered
	// last.
	began, answered time.Time
}

// entry is one server, with the agent in one of its pods.
type entry struct {
	pod     types.UID
	address Address
	agent   Agent
	// slow is set if the agent's last call failed, or took longer than prompt.
	slow bool

	// watched is set once the agent is polled, with target.
	watched bool
	target  Target
	result  Result

	questions
}

// NewPoller returns a Poller that connects to agents with connect.
func NewPoller(c clock.PassiveClock, connect func(Address) (Agent, error)) *Poller {
	return &Poller{
		clock:   c,
		connect: connect,
		polls:   workqueue.NewTypedDelayingQueue[types.NamespacedName](),
		asked:   workqueue.NewTypedDelayingQueue[types.NamespacedName](),
		news:    make(events),
		answers: make(events),
		servers: map[types.NamespacedName]*entry{},
	}
}

// News receives the servers whose report changed in a way that matters.
func (p *Poller) News() <-chan event.TypedGenericEvent[*devv1.DevServer] { return p.news }

// Answers receives the servers whose agent has answered what a pass asked. The pass that
// follows is urgent: a drained agent refuses sessions meanwhile.
func (p *Poller) Answers() <-chan event.TypedGenericEvent[*devv1.DevServer] { return p.answers }

// at returns the server's entry for the agent in a pod, at an address. If there was
// another one, it is forgotten. The caller holds the lock.
func (p *Poller) at(key types.NamespacedName, pod types.UID, address Address) *entry {
	e := p.servers[key]
	if e == nil || e.pod != pod || e.address != address {
		e = &entry{pod: pod, address: address}
		p.servers[key] = e
	}
	return e
}

// Watch asks a server's agent from now on, or goes on asking it, with new
// instructions.
func (p *Poller) Watch(key types.NamespacedName, t Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.at(key, t.Pod, t.Address)
	if !e.watched {
		e.watched, e.target = true, t
		p.polls.AddAfter(key, p.first(t))
		return
	}
	sooner := e.target.Instructions.Warning != t.Instructions.Warning || t.Interval() < e.target.Interval()
	e.target = t
	if sooner {
		p.polls.Add(key) // A warning must be shown now.
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
	if e == nil || e.pod != pod || (e.result.At.IsZero() && e.result.Failures == 0) {
		return Result{}, false
	}
	if e.result.Unreachable() && len(p.servers) >= several && p.clock.Since(p.answered) > ActiveInterval {
		return Result{}, false // No agent answers: the fault is not this one's.
	}
	return e.result, true
}

// several agents do not become unreachable at once for separate reasons.
const several = 5

// Start calls agents until ctx ends. It makes Poller a part of a manager.
func (p *Poller) Start(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, line := range []struct {
		queue queue
		call  func(context.Context, types.NamespacedName)
	}{{p.polls, p.pollNext}, {p.asked, p.askNext}} {
		slow := make(chan struct{}, slowWorkers)
		for range workers {
			wg.Go(func() {
				for p.next(ctx, line.queue, slow, line.call) {
				}
			})
		}
	}
	<-ctx.Done()
	p.polls.ShutDown()
	p.asked.ShutDown()
	wg.Wait()
	return nil
}

// NeedLeaderElection is true: only the replica that acts asks.
func (p *Poller) NeedLeaderElection() bool { return true }

// next makes the call to the agent whose turn it is in the queue, if a worker may make
// it. A server has no second turn before its first has ended. It returns false once ctx
// has ended.
func (p *Poller) next(ctx context.Context, q queue, slow chan struct{}, call func(context.Context, types.NamespacedName)) bool {
	key, over := q.Get()
	if over {
		return false
	}
	defer q.Done(key)
	if ctx.Err() != nil {
		return false // Otherwise calls that fail because of that would be made again.
	}
	if p.isSlow(key) {
		select {
		case slow <- struct{}{}:
			defer func() { <-slow }()
		default:
			q.AddAfter(key, slowRetry)
			return true
		}
	}
	call(ctx, key)
	return true
}

func (p *Poller) isSlow(key types.NamespacedName) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.servers[key]
	return e != nil && e.slow
}

func (p *Poller) pollNext(ctx context.Context, key types.NamespacedName) {
	again, news := p.Ask(ctx, key)
	if news {
		announce(ctx, p.news, key)
	}
	if again > 0 {
		p.polls.AddAfter(key, again)
	}
}

// Ask asks one agent for its report, and returns when to ask it again, 0 for never, and
// whether its report is news.
func (p *Poller) Ask(ctx context.Context, key types.NamespacedName) (again time.Duration, news bool) {
	p.mu.Lock()
	e := p.servers[key]
	if e == nil || !e.watched {
		p.mu.Unlock()
		return 0, false
	}
	instructions := e.target.Instructions
	p.mu.Unlock()
	return p.poll(ctx, key, e, instructions)
}

// poll polls an agent and records its answer.
func (p *Poller) poll(ctx context.Context, key types.NamespacedName, e *entry, i agentapi.Instructions) (again time.Duration, news bool) {
	var report agentapi.Report
	err := p.call(e, func(agent Agent) (err error) {
		report, err = agent.Poll(ctx, i)
		return err
	})
	if ctx.Err() != nil {
		return 0, false
	}
	return p.note(key, e, report, err)
}

// call makes one call to an agent, which is connected if it was not, and records whether
// it is slow.
func (p *Poller) call(e *entry, do func(Agent) error) error {
	p.mu.Lock()
	var err error
	if e.agent == nil {
		var agent Agent
		if agent, err = p.connect(e.address); err == nil {
			e.agent = agent
		}
	}
	agent := e.agent
	p.mu.Unlock()
	began := p.clock.Now()
	if err == nil {
		err = do(agent)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.slow = p.clock.Since(began) > prompt || (err != nil && !errors.Is(err, agentapi.ErrUnsupported))
	return err
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

// announce blocks until the controller takes the event, which it always does.
func announce(ctx context.Context, to events, key types.NamespacedName) {
	d := &devv1.DevServer{}
	d.Namespace, d.Name = key.Namespace, key.Name
	select {
	case to <- event.TypedGenericEvent[*devv1.DevServer]{Object: d}:
	case <-ctx.Done():
	}
}
