package wait

import (
	"strconv"
	"time"
)

// progress remembers when each stage was passed. Its clock starts with the
// command: the cluster's own times have whole seconds and another clock.
type progress struct {
	start  time.Time
	passed map[string]passing
	stages []stage
}

// passing is when a stage was passed, or that it had been at the first look.
type passing struct {
	before bool
	after  time.Duration
}

func newProgress(start time.Time) *progress {
	return &progress{start: start, passed: map[string]passing{}}
}

// update records what is observed now and returns the stages that it passed. A
// stage whose pod was deleted is no longer passed.
func (p *progress) update(o observed, now time.Time) (passed []stage) {
	first := p.stages == nil
	p.stages = stages(o)
	for _, s := range p.stages {
		_, before := p.passed[s.name]
		switch {
		case s.state == done && !before:
			p.passed[s.name] = passing{before: first, after: now.Sub(p.start)}
			passed = append(passed, s)
		case s.state != done && before:
			delete(p.passed, s.name)
		}
	}
	return passed
}

// current is the first stage that is not done.
func (p *progress) current() (stage, bool) {
	for _, s := range p.stages {
		if s.state != done {
			return s, true
		}
	}
	return stage{}, false
}

// when says when the stage was passed.
func (p *progress) when(s stage) string {
	at := p.passed[s.name]
	if at.before {
		return "already"
	}
	return seconds(at.after)
}

// seconds shows a time as people read it: 0.4s, 12.3s, 2m5s.
func seconds(d time.Duration) string {
	if d >= time.Minute {
		return d.Round(time.Second).String()
	}
	return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
}
