package agentclient

import (
	"cmp"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/agentapi"
)

// Address is how to reach an agent, and how to know each other.
type Address struct {
	HostPort string
	// KeyPEM and Token are those of the box's Secret.
	KeyPEM string
	Token  string
}

// Target is a box to ask.
type Target struct {
	// Pod is its pod's: what another pod said does not count for this one.
	Pod          types.UID
	Address      Address
	Instructions agentapi.Instructions
	// Watched is set where the box's work matters. It is asked Every so often; left
	// out, that is the constant Often.
	Watched bool
	Every   time.Duration
	// Known is the last work that was acted on. Later work is news by more than
	// Restless.
	Known    time.Time
	Restless time.Duration
	// SecretHash is that of the Secret as it should be.
	SecretHash string
}

// Result is what came of asking a box.
type Result struct {
	// At is when the agent answered last, by the operator's clock; zero if it
	// never did.
	At     time.Time
	Report agentapi.Report
	// Failures is how many times in a row it has not answered since; Err is why.
	Failures int
	Err      error
	// lastWork is what was made of the answers up to this one.
	lastWork time.Time
}

// steady is how much two reckonings of the same work may differ, by the time
// that answers take. The first stands: no time that people are told is to
// change from one minute to the next.
const steady = time.Second

// answered is the result of an answer that came after others.
func (r Result) answered(report agentapi.Report, at time.Time) Result {
	idle, _ := report.Idle()
	// By the clock on the wall, as all that it is compared with: where that is
	// set, this reckoning is another one.
	work := at.Round(0).Add(-idle)
	if work.Sub(r.lastWork).Abs() < steady {
		work = r.lastWork
	}
	return Result{At: at, Report: report, lastWork: work}
}

// Silent tells whether the agent does not answer.
func (r Result) Silent() bool { return r.Failures >= patience && !r.TooOld() }

// TooOld tells whether the agent answers that it does not know the question.
func (r Result) TooOld() bool { return errors.Is(r.Err, agentapi.ErrUnsupported) }

// LastWork is when the box was last at work by the operator's clock, and what
// with.
func (r Result) LastWork() (at time.Time, signal string) {
	_, signal = r.Report.Idle()
	return r.lastWork, signal
}

// Note is what is known of a box after it was asked once more: when to ask it
// again, and whether that is news.
func (t Target) Note(before Result, report agentapi.Report, err error, at time.Time) (now Result, again time.Duration, news bool) {
	if now = before; err != nil {
		now.Failures, now.Err = before.Failures+1, err
	} else {
		now = before.answered(report, at)
	}
	news = isNews(t, before, now)
	if again = t.Interval(); err != nil && !now.TooOld() {
		again = pause(again, now.Failures)
	}
	return now, again, news
}

// pause is how soon an agent is asked again that does not answer: longer with
// each failure, up to as long as others wait for their turn.
func pause(interval time.Duration, failures int) time.Duration {
	wait := min(interval, retry)
	for i := patience; i < failures && wait < interval; i++ {
		wait = min(2*wait, interval)
	}
	return wait
}

// Interval is how often the box is asked.
func (t Target) Interval() time.Duration {
	if !t.Watched {
		return Seldom
	}
	return cmp.Or(t.Every, Often)
}

// isNews tells whether the second of two answers changes anything for its box.
func isNews(t Target, before, now Result) bool {
	if now.Silent() != before.Silent() || now.TooOld() != before.TooOld() {
		return true
	}
	if now.Failures > 0 {
		return false
	}
	r := now.Report
	if r.SecretHash != "" && r.SecretHash != t.SecretHash || level(r.Home) != level(before.Report.Home) || r.OOMKills != before.Report.OOMKills {
		return true
	}
	work, _ := now.LastWork()
	return t.Watched && (before.At.IsZero() || work.Sub(t.Known) > t.Restless || before.lastWork.Sub(work) > setBack)
}

// setBack is by how much work must be earlier than was said to tell of a clock
// that was set back: it does not get earlier otherwise.
const setBack = time.Minute

// level is how full a home is, as far as it matters.
func level(r *agentapi.Room) [2]bool {
	if r == nil {
		return [2]bool{}
	}
	return [2]bool{r.Full(), r.Roomy()}
}
