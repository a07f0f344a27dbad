package agentclient

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"devserver.io/devserver/internal/agentapi"
)

var (
	noon        = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)
	key         = types.NamespacedName{Namespace: "ml", Name: "alice"}
	errNoAnswer = errors.New("no answer")
)

// agent is an Agent that answers what the test sets.
type agent struct {
	mu      sync.Mutex
	report  agentapi.Report
	err     error
	drains  bool
	polls   []agentapi.Instructions
	asked   chan struct{}
	drained []agentapi.Drain
	keys    []string
	// onDrain, if set, is called in the middle of a drain.
	onDrain func()
}

func (a *agent) SetAuthorizedKeys(_ context.Context, text []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys = append(a.keys, string(text))
	return a.err
}

func (a *agent) Poll(_ context.Context, i agentapi.Instructions) (agentapi.Report, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.polls = append(a.polls, i)
	if a.asked != nil {
		a.asked <- struct{}{}
	}
	return a.report, a.err
}

func (a *agent) Drain(_ context.Context, d agentapi.Drain) (bool, agentapi.Report, error) {
	a.drained = append(a.drained, d)
	if a.onDrain != nil {
		a.onDrain()
	}
	return a.drains, a.report, a.err
}

// world is a Poller that asks when the test calls turn.
type world struct {
	*Poller
	clock *clocktesting.FakePassiveClock
	agent *agent
}

func newWorld(t *testing.T, target Target) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakePassiveClock(noon), agent: &agent{report: agentapi.Report{UpSeconds: 600}}}
	w.Poller = NewPoller(w.clock, func(Address) (Agent, error) { return w.agent, nil })
	t.Cleanup(w.polls.ShutDown)
	t.Cleanup(w.asked.ShutDown)
	w.Watch(key, target)
	return w
}

// turn asks the agent, and returns when to ask it again and whether its answer was
// news.
func (w *world) turn(t *testing.T) (again time.Duration, news bool) {
	t.Helper()
	return w.Ask(t.Context(), key)
}

func TestFirstAnswerIsNews(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	if _, ok := w.Last(key, "a"); ok {
		t.Error("there is a result before the agent was asked")
	}
	if again, news := w.turn(t); !news || again != ActiveInterval {
		t.Errorf("news %t, again in %s", news, again)
	}
	r, ok := w.Last(key, "a")
	if last := r.LastActivity(); !ok || !last.Equal(noon.Add(-10*time.Minute)) {
		t.Errorf("known %t, last activity %s", ok, last)
	}
	if _, ok := w.Last(key, "b"); ok {
		t.Error("the report of one pod counts for another")
	}
}

func TestFirstAnswerWithoutTrackingIsNoNews(t *testing.T) {
	w := newWorld(t, Target{Pod: "a"})
	if again, news := w.turn(t); news || again != IdleInterval {
		t.Errorf("news %t, again in %s", news, again)
	}
}

func TestNews(t *testing.T) {
	target := Target{Pod: "a", TracksActivity: true, Known: noon, Tolerance: 5 * time.Minute, SecretHash: "s"}
	before := Result{}.answered(agentapi.Report{}, noon)
	for name, test := range map[string]struct {
		report agentapi.Report
		after  time.Duration
		target func(*Target)
		want   bool
	}{
		"nothing new":             {report: agentapi.Report{UpSeconds: 60}, after: time.Minute},
		"a little more activity":  {after: 5 * time.Minute},
		"much more activity":      {after: 6 * time.Minute, want: true},
		"any activity, once idle": {after: 2 * time.Second, target: func(t *Target) { t.Tolerance = 0 }, want: true},
		"how long it took":        {report: agentapi.Report{UpSeconds: 59.3}, after: time.Minute, target: func(t *Target) { t.Tolerance = 0 }},
		"not tracked":             {after: time.Hour, target: func(t *Target) { t.TracksActivity = false }},
		"a process killed":        {report: agentapi.Report{UpSeconds: 60, OOMKills: 1}, after: time.Minute, want: true},
		"a full home":             {report: agentapi.Report{UpSeconds: 60, Home: &agentapi.Room{SizeBytes: 1 << 30}}, after: time.Minute, want: true},
		"another Secret":          {report: agentapi.Report{UpSeconds: 60, SecretHash: "t"}, after: time.Minute, want: true},
		"another version":         {report: agentapi.Report{UpSeconds: 60, Version: "2"}, after: time.Minute, want: true},
		"the same version":        {report: agentapi.Report{UpSeconds: 60, Version: "1"}, after: time.Minute, target: func(t *Target) { t.Version = "1" }},
		"no session, awaited":     {report: agentapi.Report{UpSeconds: 60}, after: time.Minute, target: func(t *Target) { t.AwaitsSessions = true }, want: true},
		"a session, awaited":      {report: agentapi.Report{UpSeconds: 60, Sessions: 1}, after: time.Minute, target: func(t *Target) { t.AwaitsSessions = true }},
		"the same Secret":         {report: agentapi.Report{UpSeconds: 60, SecretHash: "s"}, after: time.Minute},
	} {
		asked := target
		if test.target != nil {
			test.target(&asked)
		}
		if _, _, news := asked.Next(before, test.report, nil, noon.Add(test.after)); news != test.want {
			t.Errorf("%s: news %t, want %t", name, news, test.want)
		}
	}
}

// The last activity does not change with how long answers take.
func TestSameActivityHasOneTime(t *testing.T) {
	r := Result{}.answered(agentapi.Report{UpSeconds: 600}, noon)
	for minute, late := range []time.Duration{900 * time.Millisecond, -900 * time.Millisecond, 0} {
		r = r.answered(agentapi.Report{UpSeconds: 600 + 60*float64(minute)}, noon.Add(time.Duration(minute)*time.Minute+late))
		if last := r.LastActivity(); !last.Equal(noon.Add(-10 * time.Minute)) {
			t.Errorf("the last activity moved to %s", last)
		}
	}
	r = r.answered(agentapi.Report{UpSeconds: 600}, noon.Add(time.Hour))
	if last := r.LastActivity(); !last.Equal(noon.Add(50 * time.Minute)) {
		t.Errorf("the last activity is %s after new activity", last)
	}
}

// If two times have a monotonic reading, Go compares that, which does not change
// when the clock is set. The last activity would then be wrong by as much as the
// clock was set.
func TestActivityIsByWallClock(t *testing.T) {
	r := Result{}.answered(agentapi.Report{UpSeconds: 600}, time.Now())
	if last := r.LastActivity(); last != last.Round(0) {
		t.Errorf("the last activity has a monotonic reading: %s", last)
	}
}

// The last activity gets earlier only if the operator's clock was set back. It is
// news, because the next pass corrects the Lease.
func TestClockSetBackIsNews(t *testing.T) {
	target := Target{TracksActivity: true, Known: noon.Add(-10 * time.Minute)}
	before, _, _ := target.Next(Result{}, agentapi.Report{UpSeconds: 600}, nil, noon)
	for back, want := range map[time.Duration]bool{time.Hour: true, 30 * time.Second: false, 0: false} {
		if _, _, news := target.Next(before, agentapi.Report{UpSeconds: 660}, nil, noon.Add(time.Minute-back)); news != want {
			t.Errorf("set back by %s: news %t, want %t", back, news, want)
		}
	}
}

func TestUnreachableAndBack(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true, Known: noon})
	w.turn(t)
	w.agent.err = errNoAnswer
	for i, want := range []struct {
		again time.Duration
		news  bool
	}{{retryInterval, false}, {retryInterval, false}, {retryInterval, true}, {2 * retryInterval, false}, {4 * retryInterval, false}} {
		if again, news := w.turn(t); again != want.again || news != want.news {
			t.Errorf("failure %d: again in %s, news %t", i+1, again, news)
		}
	}
	r, _ := w.Last(key, "a")
	if !r.Unreachable() || !errors.Is(r.Err, errNoAnswer) || !r.At.Equal(noon) {
		t.Errorf("the result of an unreachable agent is %+v", r)
	}
	w.agent.err = nil
	if _, news := w.turn(t); !news {
		t.Error("an agent that answers again is no news")
	}
	if r, _ := w.Last(key, "a"); r.Unreachable() || r.Err != nil {
		t.Errorf("it is unreachable still: %+v", r)
	}
}

func TestFailedConnectionIsUnreachable(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.connect = func(Address) (Agent, error) { return nil, errNoAnswer }
	for range patience {
		w.turn(t)
	}
	if r, ok := w.Last(key, "a"); !ok || !r.Unreachable() {
		t.Errorf("known %t, %+v", ok, r)
	}
}

func TestAnotherPodHasNoResult(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.Watch(key, Target{Pod: "b", TracksActivity: true})
	for _, pod := range []types.UID{"a", "b"} {
		if _, ok := w.Last(key, pod); ok {
			t.Errorf("there is a result of pod %s, which was not asked", pod)
		}
	}
	if _, news := w.turn(t); !news {
		t.Error("the first answer of another pod is no news")
	}
}

// An answer that arrives after the pod was replaced does not count for the new pod.
func TestLateAnswer(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	old := w.servers[key]
	w.Watch(key, Target{Pod: "b", TracksActivity: true})
	if again, news := w.note(key, old, agentapi.Report{}, nil); again != 0 || news {
		t.Errorf("again in %s, news %t", again, news)
	}
	if _, ok := w.Last(key, "b"); ok {
		t.Error("the new pod has the old pod's result")
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.Forget(key)
	if _, ok := w.Last(key, "a"); ok {
		t.Error("there is a result after Forget")
	}
	if again, news := w.turn(t); again != 0 || news || len(w.agent.polls) != 1 {
		t.Errorf("again in %s, news %t, asked %d times", again, news, len(w.agent.polls))
	}
	if drained, answered := w.Drain(key, "a", agentapi.Drain{}); drained || !answered {
		t.Error("asks an agent that is not watched")
	}
}

// The queue has the real clock, which this needs only for what waits.
func TestAskedAtOnce(t *testing.T) {
	for name, target := range map[string]Target{
		"a warning":         {Pod: "a", Instructions: agentapi.Instructions{Warning: "stops soon"}},
		"tracked from now":  {Pod: "a", TracksActivity: true},
		"a shorter timeout": {Pod: "a", TracksActivity: true, Every: 10 * time.Second},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: name == "a shorter timeout"})
		w.turn(t)
		w.Watch(key, target)
		if w.polls.Len() != 1 {
			t.Errorf("%s: the agent is not asked at once", name)
		}
	}
	w := newWorld(t, Target{Pod: "a"})
	w.turn(t)
	w.Watch(key, Target{Pod: "a", Instructions: agentapi.Instructions{Notice: "hello"}})
	if w.polls.Len() != 0 {
		t.Error("a notice has the agent asked at once")
	}
	w.turn(t)
	if got := w.agent.polls[1].Notice; got != "hello" {
		t.Errorf("the agent got the notice %q", got)
	}
}

func TestShortTimeouts(t *testing.T) {
	target := Target{Pod: "a", TracksActivity: true, Every: 10 * time.Second}
	if _, again, _ := target.Next(Result{}, agentapi.Report{}, nil, noon); again != 10*time.Second {
		t.Errorf("asked again in %s", again)
	}
	if _, again, _ := target.Next(Result{}, agentapi.Report{}, errNoAnswer, noon); again != 10*time.Second {
		t.Errorf("after a failure, asked again in %s", again)
	}
}

// Start asks until its context ends, and does not wait for a reader of News.
func TestStart(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	asked := make(chan struct{})
	a := &agent{asked: asked}
	p := NewPoller(clocktesting.NewFakePassiveClock(noon), func(Address) (Agent, error) { return a, nil })
	done := make(chan error)
	go func() { done <- p.Start(ctx) }()
	p.Watch(key, Target{Pod: "a"})
	p.Watch(key, Target{Pod: "a", TracksActivity: true}) // now
	<-asked
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !p.NeedLeaderElection() {
		t.Error("does not need leader election")
	}
}
