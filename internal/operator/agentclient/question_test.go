package agentclient

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"devserver.io/devserver/internal/agentapi"
)

// asks makes the calls that passes asked for, and returns whether a pass must follow.
func (w *world) asks(t *testing.T) (answered bool) {
	t.Helper()
	for {
		asked, waited := w.Answer(t.Context(), key)
		if !asked {
			return answered
		}
		answered = answered || waited
	}
}

var idleFor = agentapi.Drain{IdleSeconds: 9}

func TestDrain(t *testing.T) {
	for name, test := range map[string]struct {
		drains      bool
		err         error
		unreachable bool
		at          time.Time
	}{
		"agreed":    {drains: true, at: noon},
		"refused":   {at: noon.Add(time.Second)},
		"no answer": {err: errNoAnswer, unreachable: true, at: noon},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: true})
		w.turn(t)
		w.clock.SetTime(noon.Add(time.Second))
		w.agent.drains, w.agent.err, w.agent.report = test.drains, test.err, agentapi.Report{UpSeconds: 600, OOMKills: 7}
		for range 2 { // A second pass does not ask again.
			if drained, answered := w.Drain(key, "a", idleFor); drained || answered {
				t.Errorf("%s: before the agent was asked, drained %t, answered %t", name, drained, answered)
			}
		}
		if !w.asks(t) {
			t.Errorf("%s: the answer leads to no pass", name)
		}
		if drained, answered := w.Drain(key, "a", idleFor); drained != test.drains || !answered {
			t.Errorf("%s: drained %t, answered %t", name, drained, answered)
		}
		if w.asks(t) || len(w.agent.drained) != 1 || w.agent.drained[0].IdleSeconds != 9 {
			t.Errorf("%s: the agent was asked %+v", name, w.agent.drained)
		}
		r, _ := w.Last(key, "a")
		if r.Unreachable() != test.unreachable || !r.At.Equal(test.at) {
			t.Errorf("%s: the result is %+v", name, r)
		}
	}
}

func TestDrainOfAnAgentThatCannotBeAsked(t *testing.T) {
	for name, pod := range map[string]types.UID{"never polled": "a", "another pod": "b"} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: true})
		w.agent.drains = true
		if pod == "b" {
			w.turn(t)
		}
		if drained, answered := w.Drain(key, pod, idleFor); drained || !answered || w.asks(t) || len(w.agent.drained) > 0 {
			t.Errorf("%s: drained %t, answered %t", name, drained, answered)
		}
	}
}

// An agreement counts for some seconds, a refusal for a minute, and both only for the
// same thresholds.
func TestHowLongAnAnswerCounts(t *testing.T) {
	for name, test := range map[string]struct {
		drains bool
		after  time.Duration
		next   agentapi.Drain
		counts bool
	}{
		"a new agreement":     {true, answerLasts - 1, agentapi.Drain{IdleSeconds: 20}, true},
		"an old agreement":    {true, answerLasts, idleFor, false},
		"a new refusal":       {false, refusalLasts - 1, agentapi.Drain{IdleSeconds: 70}, true},
		"an old refusal":      {false, refusalLasts, idleFor, false},
		"another threshold":   {true, 0, agentapi.Drain{IdleSeconds: 9, Thresholds: agentapi.Thresholds{CPUMillis: 1}}, false},
		"refused, but others": {false, 0, agentapi.Drain{IdleSeconds: 9, Thresholds: agentapi.Thresholds{CPUMillis: 1}}, false},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: true})
		w.turn(t)
		w.agent.drains = test.drains
		w.Drain(key, "a", idleFor)
		w.asks(t)
		w.clock.SetTime(noon.Add(test.after))
		if drained, answered := w.Drain(key, "a", test.next); answered != test.counts || drained != (test.counts && test.drains) {
			t.Errorf("%s: drained %t, answered %t", name, drained, answered)
		}
		w.asks(t)
		if asked := w.agent.drained[len(w.agent.drained)-1].IdleSeconds; !test.counts && asked != test.next.IdleSeconds {
			t.Errorf("%s: the agent was asked last about %g seconds", name, asked)
		}
	}
}

// An agreement counts from when the agent was asked, because it refuses sessions since a
// moment after that.
func TestAgreementCountsFromTheQuestion(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.agent.drains = true
	w.agent.onDrain = func() { w.clock.SetTime(noon.Add(answerLasts)) }
	w.Drain(key, "a", idleFor)
	w.asks(t)
	if drained, answered := w.Drain(key, "a", idleFor); drained || answered {
		t.Error("an answer that took too long counts")
	}
}

// A drain that does not end in a suspension is released, unless the agent was not asked
// or did not agree.
func TestRelease(t *testing.T) {
	release := agentapi.Drain{Release: true}
	for name, test := range map[string]struct {
		drains bool
		ask    bool
		want   []agentapi.Drain
	}{
		"agreed":        {true, true, []agentapi.Drain{idleFor, release}},
		"refused":       {false, true, []agentapi.Drain{idleFor}},
		"not asked yet": {true, false, nil},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: true})
		w.turn(t)
		w.agent.drains = test.drains
		w.Drain(key, "a", idleFor)
		if test.ask {
			w.asks(t)
		}
		w.Release(key)
		w.Release(key)
		if w.asks(t) {
			t.Errorf("%s: a release leads to a pass", name)
		}
		if !slices.Equal(w.agent.drained, test.want) {
			t.Errorf("%s: the agent was asked %+v, want %+v", name, w.agent.drained, test.want)
		}
	}
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.Release(key)
	w.Release(types.NamespacedName{Name: "unknown"})
	if w.asks(t) || len(w.agent.drained) > 0 {
		t.Error("an agent is released that was never drained")
	}
}

// A drain that is withdrawn while the agent is asked is released, and its answer does not
// count for the next question.
func TestReleaseWhileTheAgentIsAsked(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.agent.drains = true
	w.agent.onDrain = func() {
		w.agent.onDrain = nil
		w.Release(key)
	}
	w.Drain(key, "a", idleFor)
	if w.asks(t) {
		t.Error("an answer to a withdrawn question leads to a pass")
	}
	if want := []agentapi.Drain{idleFor, {Release: true}}; !slices.Equal(w.agent.drained, want) {
		t.Errorf("the agent was asked %+v, want %+v", w.agent.drained, want)
	}
	if drained, answered := w.Drain(key, "a", idleFor); drained || answered {
		t.Error("the answer to a withdrawn question counts")
	}
}

// The agent in a new pod is asked anew.
func TestAnswerOfAnotherPod(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.agent.drains = true
	w.agent.onDrain = func() {
		w.agent.onDrain = nil
		w.Watch(key, Target{Pod: "b", TracksActivity: true})
	}
	w.Drain(key, "a", idleFor)
	if w.asks(t) {
		t.Error("an answer of the old pod's agent leads to a pass")
	}
	w.turn(t)
	if drained, answered := w.Drain(key, "b", idleFor); drained || answered {
		t.Error("an answer of the old pod's agent counts")
	}
}

// Keys are pushed once for each number, also before the agent is polled.
func TestSetAuthorizedKeys(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	w.Forget(key)
	push := func(pod types.UID, number int, text string) bool {
		t.Helper()
		done, err := w.SetAuthorizedKeys(key, pod, Address{}, Keys{Number: number, Text: []byte(text)})
		if err != nil {
			t.Error(err)
		}
		return done
	}
	for _, test := range []struct {
		pod    types.UID
		number int
		text   string
		want   []string
	}{
		{"a", 1, "one", []string{"one"}},
		{"a", 1, "one", []string{"one"}},
		{"a", 2, "one", []string{"one", "one"}}, // The Secret had been edited.
		{"a", 3, "two", []string{"one", "one", "two"}},
		{"b", 3, "two", []string{"one", "one", "two", "two"}},
	} {
		before := len(w.agent.keys)
		if done := push(test.pod, test.number, test.text); done != (len(test.want) == before) {
			t.Errorf("%+v: done %t", test, done)
		}
		if w.asks(t) != (len(test.want) > before) || !slices.Equal(w.agent.keys, test.want) {
			t.Errorf("%+v: the agent received %q", test, w.agent.keys)
		}
		if !push(test.pod, test.number, test.text) {
			t.Errorf("%+v: not done", test)
		}
	}
	if again, _ := w.turn(t); again != 0 || len(w.agent.polls) > 0 {
		t.Error("an agent is polled that is not watched")
	}
	w.Watch(key, Target{Pod: "b", TracksActivity: true})
	if w.turn(t); !push("b", 3, "two") || len(w.agent.polls) != 1 {
		t.Error("polling an agent forgets that it has its keys")
	}
}

// An agent that does not take its keys gets them again, a few times, and less and less
// often.
func TestKeysArePushedAgain(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	w.agent.err = errNoAnswer
	keys := Keys{Number: 1, Text: []byte("one")}
	for i, wait := range []time.Duration{0, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second} {
		w.clock.SetTime(w.clock.Now().Add(wait - 1))
		if i > 0 && (w.asks(t) || len(w.agent.keys) != i) {
			t.Errorf("push %d comes too early", i+1)
		}
		w.clock.SetTime(w.clock.Now().Add(1))
		if done, err := w.SetAuthorizedKeys(key, "a", Address{}, keys); done || err != nil {
			t.Errorf("before push %d: done %t, %v", i+1, done, err)
		}
		if answered := w.asks(t); answered != (i == 4) || len(w.agent.keys) != i+1 {
			t.Errorf("after push %d, the agent got %d, and a pass follows: %t", i+1, len(w.agent.keys), answered)
		}
	}
	if done, err := w.SetAuthorizedKeys(key, "a", Address{}, keys); !done || err == nil {
		t.Errorf("after the last push: done %t, %v", done, err)
	}
	w.agent.err = nil
	if done, _ := w.SetAuthorizedKeys(key, "a", Address{}, Keys{Number: 2, Text: []byte("two")}); done || !w.asks(t) {
		t.Error("the next keys are not pushed")
	}
}

// Keys come before everything else.
func TestKeysComeFirst(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.Refresh(key, "a")
	w.Drain(key, "a", idleFor)
	if _, err := w.SetAuthorizedKeys(key, "a", Address{}, Keys{Number: 1}); err != nil {
		t.Fatal(err)
	}
	w.Answer(t.Context(), key)
	if len(w.agent.keys) != 1 || len(w.agent.drained) > 0 || len(w.agent.polls) != 1 {
		t.Errorf("the agent got %d keys, %d drains and %d polls", len(w.agent.keys), len(w.agent.drained), len(w.agent.polls))
	}
}

// A new report is one that the agent was asked for after the pass.
func TestRefresh(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	for name, err := range map[string]error{"answers": nil, "does not answer": errNoAnswer} {
		polls := len(w.agent.polls)
		w.clock.SetTime(w.clock.Now().Add(answerLasts + 1))
		w.agent.err = err
		for range 2 {
			if w.Refresh(key, "a") {
				t.Errorf("%s: the report is new before the agent was asked", name)
			}
		}
		w.turn(t) // The next poll does not answer the question.
		if w.Refresh(key, "a") {
			t.Errorf("%s: a poll counts", name)
		}
		if !w.asks(t) || !w.Refresh(key, "a") || len(w.agent.polls) != polls+2 {
			t.Errorf("%s: the report is not new, or the agent was polled %d times", name, len(w.agent.polls)-polls)
		}
		if w.Refresh(key, "a") || !w.asks(t) {
			t.Errorf("%s: a report counts twice", name)
		}
		w.clock.SetTime(w.clock.Now().Add(answerLasts))
		if w.Refresh(key, "a") || !w.asks(t) {
			t.Errorf("%s: an old report counts", name)
		}
	}
	if !w.Refresh(key, "b") || w.asks(t) {
		t.Error("asks the agent of another pod")
	}
}

// An agent is slow if its last call failed or took long, and prompt again after the next
// one that did not.
func TestSlowAgents(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	for _, test := range []struct {
		takes time.Duration
		err   error
		slow  bool
	}{{0, errNoAnswer, true}, {prompt, nil, false}, {prompt + 1, nil, true}, {0, nil, false}, {0, agentapi.ErrUnsupported, false}} {
		w.agent.err = test.err
		w.agent.onDrain = func() { w.clock.SetTime(w.clock.Now().Add(test.takes)) }
		_ = w.call(w.servers[key], func(a Agent) error {
			_, _, err := a.Drain(t.Context(), idleFor)
			return err
		})
		if w.isSlow(key) != test.slow {
			t.Errorf("takes %s, %v: slow %t", test.takes, test.err, w.isSlow(key))
		}
	}
}

// held is an agent that does not answer before the test ends.
type held struct {
	Agent

	called chan<- struct{}
}

func (h held) SetAuthorizedKeys(ctx context.Context, _ []byte) error {
	h.called <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

// However many slow agents hold their callers, the others are called.
func TestSlowAgentsDelayNobody(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	called, prompt := make(chan struct{}, 2*workers), &agent{asked: make(chan struct{}, 1)}
	p := NewPoller(clocktesting.NewFakePassiveClock(noon), func(a Address) (Agent, error) {
		if a.Token == "slow" {
			return held{called: called}, nil
		}
		return prompt, nil
	})
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	for i := range 2 * workers {
		slow := types.NamespacedName{Namespace: "slow", Name: fmt.Sprint(i)}
		p.mu.Lock()
		p.at(slow, "a", Address{Token: "slow"}).slow = true
		p.mu.Unlock()
		_, _ = p.SetAuthorizedKeys(slow, "a", Address{Token: "slow"}, Keys{Number: 1})
	}
	for range slowWorkers {
		<-called // All of them are held.
	}
	_, _ = p.SetAuthorizedKeys(key, "a", Address{}, Keys{Number: 1})
	answer := <-p.Answers()
	if answer.Object.Name != key.Name || len(prompt.keys) != 1 {
		t.Errorf("the agent of %s answered; the prompt one got %d keys", answer.Object.Name, len(prompt.keys))
	}
	if len(called) > 0 {
		t.Errorf("more than %d slow agents are called at a time", slowWorkers)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A server has one call at a time, whatever passes ask.
func TestOneCallPerServer(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	called := make(chan struct{}, 10)
	prompt := &agent{}
	p := NewPoller(clocktesting.NewFakePassiveClock(noon), func(a Address) (Agent, error) {
		if a.Token == "held" {
			return held{called: called}, nil
		}
		return prompt, nil
	})
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	hostile := types.NamespacedName{Namespace: "held", Name: "held"}
	for number := range 10 {
		_, _ = p.SetAuthorizedKeys(hostile, "a", Address{Token: "held"}, Keys{Number: number + 1})
		if number == 0 {
			<-called
		}
	}
	_, _ = p.SetAuthorizedKeys(key, "a", Address{}, Keys{Number: 1})
	<-p.Answers()
	if len(called) > 0 {
		t.Errorf("the server has %d calls more", len(called))
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
