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
	noon    = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)
	key     = types.NamespacedName{Namespace: "ml", Name: "box"}
	errMute = errors.New("no answer")
)

// agent is one that says what the test wants.
type agent struct {
	mu      sync.Mutex
	report  agentapi.Report
	err     error
	drains  bool
	polls   []agentapi.Instructions
	asked   chan struct{}
	drained []agentapi.Drain
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
	return a.drains, a.report, a.err
}

// world is a Poller whose turns the test takes itself.
type world struct {
	*Poller
	clock *clocktesting.FakePassiveClock
	agent *agent
}

func newWorld(t *testing.T, target Target) *world {
	t.Helper()
	w := &world{clock: clocktesting.NewFakePassiveClock(noon), agent: &agent{report: agentapi.Report{UpSeconds: 600}}}
	w.Poller = NewPoller(w.clock, func(Address) (Agent, error) { return w.agent, nil })
	t.Cleanup(w.queue.ShutDown)
	w.Watch(key, target)
	return w
}

// turn asks the box, and tells when it is to be asked again and whether the
// answer was news.
func (w *world) turn(t *testing.T) (again time.Duration, news bool) {
	t.Helper()
	return w.Ask(t.Context(), key)
}

func TestFirstAnswerIsNews(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	if _, ok := w.Last(key, "a"); ok {
		t.Error("knows the box before it was asked")
	}
	if again, news := w.turn(t); !news || again != ActiveInterval {
		t.Errorf("news %t, again in %s", news, again)
	}
	r, ok := w.Last(key, "a")
	if work, signal := r.LastActivity(); !ok || !work.Equal(noon.Add(-10*time.Minute)) || signal != "" {
		t.Errorf("known %t, last work %s (%s)", ok, work, signal)
	}
	if _, ok := w.Last(key, "b"); ok {
		t.Error("what one pod said counts for another")
	}
}

func TestFirstAnswerOfAnUnwatchedBoxIsNone(t *testing.T) {
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
		"nothing new":         {report: agentapi.Report{UpSeconds: 60}, after: time.Minute},
		"a little more work":  {after: 5 * time.Minute},
		"much more work":      {after: 6 * time.Minute, want: true},
		"any work, once idle": {after: 2 * time.Second, target: func(t *Target) { t.Tolerance = 0 }, want: true},
		"how long it took":    {report: agentapi.Report{UpSeconds: 59.3}, after: time.Minute, target: func(t *Target) { t.Tolerance = 0 }},
		"nobody minds":        {after: time.Hour, target: func(t *Target) { t.TracksActivity = false }},
		"a process killed":    {report: agentapi.Report{UpSeconds: 60, OOMKills: 1}, after: time.Minute, want: true},
		"a full home":         {report: agentapi.Report{UpSeconds: 60, Home: &agentapi.Room{SizeBytes: 1 << 30}}, after: time.Minute, want: true},
		"another Secret":      {report: agentapi.Report{UpSeconds: 60, SecretHash: "t"}, after: time.Minute, want: true},
		"the same Secret":     {report: agentapi.Report{UpSeconds: 60, SecretHash: "s"}, after: time.Minute},
	} {
		asked := target
		if test.target != nil {
			test.target(&asked)
		}
		if _, _, news := asked.Note(before, test.report, nil, noon.Add(test.after)); news != test.want {
			t.Errorf("%s: news %t, want %t", name, news, test.want)
		}
	}
}

// The times that people are told do not change with how long answers take.
func TestTheSameWorkHasOneTime(t *testing.T) {
	r := Result{}.answered(agentapi.Report{UpSeconds: 600}, noon)
	for minute, late := range []time.Duration{900 * time.Millisecond, -900 * time.Millisecond, 0} {
		r = r.answered(agentapi.Report{UpSeconds: 600 + 60*float64(minute)}, noon.Add(time.Duration(minute)*time.Minute+late))
		if work, _ := r.LastActivity(); !work.Equal(noon.Add(-10 * time.Minute)) {
			t.Errorf("the last work moved to %s", work)
		}
	}
	r = r.answered(agentapi.Report{UpSeconds: 600}, noon.Add(time.Hour))
	if work, _ := r.LastActivity(); !work.Equal(noon.Add(50 * time.Minute)) {
		t.Errorf("the last work is %s after new work", work)
	}
}

// Go compares two times by the monotonic clock if both have its reading. After
// the clock on the wall was set forward, work reckoned so would stay where it
// was, further away with each look at the wall than the agent would ever confirm.
func TestWorkIsReckonedByTheClockOnTheWall(t *testing.T) {
	r := Result{}.answered(agentapi.Report{UpSeconds: 600}, time.Now())
	if work, _ := r.LastActivity(); work != work.Round(0) {
		t.Errorf("the last work has a monotonic reading: %s", work)
	}
}

// Work does not get earlier, but by a clock that was set back: the pass that
// this asks for sets the Lease right.
func TestClockSetBackIsNews(t *testing.T) {
	target := Target{TracksActivity: true, Known: noon.Add(-10 * time.Minute)}
	before, _, _ := target.Note(Result{}, agentapi.Report{UpSeconds: 600}, nil, noon)
	for back, want := range map[time.Duration]bool{time.Hour: true, 30 * time.Second: false, 0: false} {
		if _, _, news := target.Note(before, agentapi.Report{UpSeconds: 660}, nil, noon.Add(time.Minute-back)); news != want {
			t.Errorf("set back by %s: news %t, want %t", back, news, want)
		}
	}
}

func TestSilenceAndBack(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true, Known: noon})
	w.turn(t)
	w.agent.err = errMute
	for i, want := range []struct {
		again time.Duration
		news  bool
	}{{retry, false}, {retry, false}, {retry, true}, {2 * retry, false}, {4 * retry, false}} {
		if again, news := w.turn(t); again != want.again || news != want.news {
			t.Errorf("failure %d: again in %s, news %t", i+1, again, news)
		}
	}
	r, _ := w.Last(key, "a")
	if !r.Unreachable() || !errors.Is(r.Err, errMute) || !r.At.Equal(noon) {
		t.Errorf("the result of a silent agent is %+v", r)
	}
	w.agent.err = nil
	if _, news := w.turn(t); !news {
		t.Error("its return is no news")
	}
	if r, _ := w.Last(key, "a"); r.Unreachable() || r.Err != nil {
		t.Errorf("it is silent still: %+v", r)
	}
}

func TestUnreachableIsSilent(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.connect = func(Address) (Agent, error) { return nil, errMute }
	for range patience {
		w.turn(t)
	}
	if r, ok := w.Last(key, "a"); !ok || !r.Unreachable() {
		t.Errorf("known %t, %+v", ok, r)
	}
}

func TestAnotherPodIsAnotherBox(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.Watch(key, Target{Pod: "b", TracksActivity: true})
	for _, pod := range []types.UID{"a", "b"} {
		if _, ok := w.Last(key, pod); ok {
			t.Errorf("knows pod %s, which was not asked", pod)
		}
	}
	if _, news := w.turn(t); !news {
		t.Error("the first answer of another pod is no news")
	}
}

// An answer that comes once the box is another is not taken for its own.
func TestLateAnswer(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	old, _, _ := w.entry(key)
	w.Watch(key, Target{Pod: "b", TracksActivity: true})
	if again, news := w.note(key, old, agentapi.Report{}, nil); again != 0 || news {
		t.Errorf("again in %s, news %t", again, news)
	}
	if _, ok := w.Last(key, "b"); ok {
		t.Error("the new pod has the old one's answer")
	}
}

func TestForget(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.turn(t)
	w.Forget(key)
	if _, ok := w.Last(key, "a"); ok {
		t.Error("remembers the box")
	}
	if again, news := w.turn(t); again != 0 || news || len(w.agent.polls) != 1 {
		t.Errorf("again in %s, news %t, asked %d times", again, news, len(w.agent.polls))
	}
	if w.Drain(t.Context(), key, agentapi.Drain{}) {
		t.Error("drains a box that it does not ask")
	}
}

func TestDrain(t *testing.T) {
	for name, test := range map[string]struct {
		drains bool
		err    error
		silent bool
		at     time.Time
	}{
		"agreed":    {drains: true, at: noon},
		"refused":   {at: noon.Add(time.Second)},
		"no answer": {err: errMute, silent: true, at: noon},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: true})
		w.turn(t)
		w.clock.SetTime(noon.Add(time.Second))
		w.agent.drains, w.agent.err, w.agent.report = test.drains, test.err, agentapi.Report{UpSeconds: 600, OOMKills: 7}
		if got := w.Drain(t.Context(), key, agentapi.Drain{IdleSeconds: 9}); got != test.drains {
			t.Errorf("%s: drained %t", name, got)
		}
		if len(w.agent.drained) != 1 || w.agent.drained[0].IdleSeconds != 9 {
			t.Errorf("%s: the agent was asked %+v", name, w.agent.drained)
		}
		r, _ := w.Last(key, "a")
		if r.Unreachable() != test.silent || !r.At.Equal(test.at) {
			t.Errorf("%s: the result is %+v", name, r)
		}
	}
}

func TestDrainOfABoxNeverAsked(t *testing.T) {
	w := newWorld(t, Target{Pod: "a", TracksActivity: true})
	w.agent.drains = true
	if w.Drain(t.Context(), key, agentapi.Drain{}) || len(w.agent.drained) > 0 {
		t.Error("drains a box of which nothing is known")
	}
}

// The queue's own clock is the machine's; what is asked at once needs none.
func TestToldAtOnce(t *testing.T) {
	for name, target := range map[string]Target{
		"a warning":         {Pod: "a", Instructions: agentapi.Instructions{Warning: "stops soon"}},
		"watched from now":  {Pod: "a", TracksActivity: true},
		"a shorter timeout": {Pod: "a", TracksActivity: true, Every: 10 * time.Second},
	} {
		w := newWorld(t, Target{Pod: "a", TracksActivity: name == "a shorter timeout"})
		w.turn(t)
		w.Watch(key, target)
		if w.queue.Len() != 1 {
			t.Errorf("%s: is not asked at once", name)
		}
	}
	w := newWorld(t, Target{Pod: "a"})
	w.turn(t)
	w.Watch(key, Target{Pod: "a", Instructions: agentapi.Instructions{Notice: "hello"}})
	if w.queue.Len() != 0 {
		t.Error("a notice does not wait")
	}
	w.turn(t)
	if got := w.agent.polls[1].Notice; got != "hello" {
		t.Errorf("the agent was told %q", got)
	}
}

func TestShortTimeouts(t *testing.T) {
	target := Target{Pod: "a", TracksActivity: true, Every: 10 * time.Second}
	if _, again, _ := target.Note(Result{}, agentapi.Report{}, nil, noon); again != 10*time.Second {
		t.Errorf("asked again in %s", again)
	}
	if _, again, _ := target.Note(Result{}, agentapi.Report{}, errMute, noon); again != 10*time.Second {
		t.Errorf("after a failure, asked again in %s", again)
	}
}

// As a part of a manager: it asks until it is stopped, and does not wait for a
// reader who is gone.
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
		t.Error("asks without being the leader")
	}
}
