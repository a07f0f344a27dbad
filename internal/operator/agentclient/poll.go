// Package agentclient asks the agents of all boxes, over and over, how their boxes
// are, and says which of the answers are news.
//
// Nothing that it learns is written anywhere by it: an operator that starts
// anew asks again.
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
	// Often is how often a box is asked whose work matters.
	Often = time.Minute
	// Seldom is how often any other is, whose home may fill up all the same.
	Seldom = 5 * time.Minute
	// retry is how soon an agent is asked again that did not answer.
	retry = 15 * time.Second
	// patience is how many times in a row an agent may not answer before it is
	// called silent.
	patience = 3
	// workers is how many agents are asked at a time. Those of a lost zone take
	// the whole time-out each, and are not to keep the others waiting.
	workers = 256
	// pace is how far apart the first questions to boxes are, so that an
	// operator that starts does not ask ten thousand at once.
	pace = 5 * time.Millisecond
)

// Agent is the operator's side of one box's control endpoint.
type Agent interface {
	Poll(ctx context.Context, i agentapi.Instructions) (agentapi.Report, error)
	Drain(ctx context.Context, d agentapi.Drain) (drained bool, r agentapi.Report, err error)
}

// Poller asks boxes. Its zero value is not ready: use New.
type Poller struct {
	clock   clock.PassiveClock
	connect func(Address) (Agent, error)
	queue   workqueue.TypedDelayingInterface[types.NamespacedName]
	news    chan event.TypedGenericEvent[*devv1.DevServer]

	mu    sync.Mutex
	boxes map[types.NamespacedName]*entry
	// began is when the first box was watched, answered when any answered last.
	began, answered time.Time
}

type entry struct {
	target Target
	agent  Agent
	result Result
}

// New returns a Poller that reaches agents by connect.
func New(c clock.PassiveClock, connect func(Address) (Agent, error)) *Poller {
	return &Poller{
		clock:   c,
		connect: connect,
		queue:   workqueue.NewTypedDelayingQueue[types.NamespacedName](),
		news:    make(chan event.TypedGenericEvent[*devv1.DevServer]),
		boxes:   map[types.NamespacedName]*entry{},
	}
}

// News is where boxes are told of whose state something changed that matters.
func (p *Poller) News() <-chan event.TypedGenericEvent[*devv1.DevServer] { return p.news }

// Watch asks a box from now on, or goes on asking it, with new instructions.
func (p *Poller) Watch(key types.NamespacedName, t Target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.boxes[key]
	if e == nil || e.target.Pod != t.Pod || e.target.Address != t.Address {
		p.boxes[key] = &entry{target: t}
		p.queue.AddAfter(key, p.first(t))
		return
	}
	sooner := e.target.Instructions.Warning != t.Instructions.Warning || t.Interval() < e.target.Interval()
	e.target = t
	if sooner {
		p.queue.Add(key) // People are to be told now.
	}
}

// first is when a box is asked for the first time.
func (p *Poller) first(t Target) time.Duration {
	spread := time.Second
	switch now := p.clock.Now(); {
	case !t.Watched && t.Instructions.Notice == "":
		spread = Seldom // Nobody waits to read anything at login either.
	case p.began.IsZero():
		p.began = now
	case now.Sub(p.began) < Often:
		spread += pace * time.Duration(len(p.boxes)) // The operator has just started, and finds them all.
	}
	return rand.N(spread) //nolint:gosec // no secret
}

// Forget asks a box no more.
func (p *Poller) Forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.boxes, key)
}

// Last is what came of asking the box with that pod; ok is false as long as it
// was not asked.
func (p *Poller) Last(key types.NamespacedName, pod types.UID) (r Result, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.boxes[key]
	if e == nil || e.target.Pod != pod || e.result.At.IsZero() && e.result.Failures == 0 {
		return Result{}, false
	}
	if e.result.Silent() && len(p.boxes) >= several && p.clock.Since(p.answered) > Often {
		return Result{}, false // No agent is heard: it is not this one's fault.
	}
	return e.result, true
}

// several boxes do not fall silent at once each by itself.
const several = 5

// Drain asks a box whether it may be put to sleep. What it answers, if it does,
// is what came of asking it last.
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
	if e := p.boxes[key]; e != nil && e.agent == agent {
		if err != nil {
			// Not one chance in three: it has been asked whether it may be stopped.
			e.result.Failures, e.result.Err = max(e.result.Failures+1, patience), err
			p.queue.AddAfter(key, retry)
			return false
		}
		e.result = e.result.answered(report, p.clock.Now())
	}
	return false
}

// Release lets a box that was drained be used again: it is not put to sleep
// after all. One that does not hear it is usable soon.
func (p *Poller) Release(ctx context.Context, key types.NamespacedName) {
	if agent := p.agentOf(key); agent != nil {
		_, _, _ = agent.Drain(ctx, agentapi.Drain{Release: true})
	}
}

func (p *Poller) agentOf(key types.NamespacedName) Agent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.boxes[key]; e != nil {
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

// NeedLeaderElection is true: who does not act does not ask.
func (p *Poller) NeedLeaderElection() bool { return true }

func (p *Poller) next(ctx context.Context) bool {
	key, over := p.queue.Get()
	if over {
		return false
	}
	defer p.queue.Done(key)
	again, news := p.Ask(ctx, key)
	if news {
		p.tell(ctx, key)
	}
	if again > 0 {
		p.queue.AddAfter(key, again)
	}
	return true
}

// Ask asks one box, and says when to ask it again, 0 for never, and whether
// what it says is news.
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

// note notes an answer, and says when to ask again and whether it is news.
func (p *Poller) note(key types.NamespacedName, e *entry, report agentapi.Report, err error) (again time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.boxes[key] != e {
		return 0, false // Another pod, or none; it has its own turn.
	}
	now := p.clock.Now()
	if err == nil {
		p.answered = now
	}
	e.result, again, news = e.target.Note(e.result, report, err, now)
	return again, news
}

// entry is a box with its agent, connected if it was not.
func (p *Poller) entry(key types.NamespacedName) (*entry, Target, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.boxes[key]
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

// tell waits for the reader, who waits for nobody.
func (p *Poller) tell(ctx context.Context, key types.NamespacedName) {
	d := &devv1.DevServer{}
	d.Namespace, d.Name = key.Namespace, key.Name
	select {
	case p.news <- event.TypedGenericEvent[*devv1.DevServer]{Object: d}:
	case <-ctx.Done():
	}
}
