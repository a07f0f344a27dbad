package agentclient

import (
	"cmp"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"devserver.io/devserver/internal/agentapi"
)

// Address is how to reach an agent, and how both sides authenticate.
type Address struct {
	HostPort string
	// KeyPEM and Token are those of the server's Secret.
	KeyPEM string
	Token  string
}

// Target is a server whose agent is asked.
type Target struct {
	// Pod is the server's pod. What the agent of another pod reported does not
	// count for this one.
	Pod          types.UID
	Address      Address
	Instructions agentapi.Instructions
	// TracksActivity is set if the server's activity matters. Its agent is then
	// asked once in every Every; 0 stands for ActiveInterval.
	TracksActivity bool
	Every          time.Duration
	// Known is the last activity that was acted on. Later activity is news if it is
	// later by more than Tolerance.
	Known     time.Time
	Tolerance time.Duration
	// SecretHash is that of the Secret as it should be.
	SecretHash string
	// Version is the agent's version in the status.
	Version string
	// AwaitsSessions is set while an update of the agent waits until no session is
	// open. That is then news, and the agent is asked as often as if the server's
	// activity mattered.
	AwaitsSessions bool
}

// Result is what is known from asking an agent.
type Result struct {
	// At is when the agent answered last, by the operator's clock; zero if it never
	// did.
	At     time.Time
	Report agentapi.Report
	// Failures is how many times in a row it has not answered since; Err is why.
	Failures int
	Err      error
	// lastActivity follows from the reports up to this one.
	lastActivity time.Time
}

// tolerance is by how much two computations of the same activity may differ,
// because answers take time. The first one stands: no announced time changes from
// one minute to the next.
const tolerance = time.Second

// answered is the result after another answer.
func (r Result) answered(report agentapi.Report, at time.Time) Result {
	idle, _ := report.Idle()
	// Wall time, as all that it is compared with: if the clock is set, this changes.
	activity := at.Round(0).Add(-idle)
	if activity.Sub(r.lastActivity).Abs() < tolerance {
		activity = r.lastActivity
	}
	return Result{At: at, Report: report, lastActivity: activity}
}

// Unreachable tells whether the agent does not answer.
func (r Result) Unreachable() bool { return r.Failures >= patience && !r.Outdated() }

// Outdated tells whether the agent is too old to report activity.
func (r Result) Outdated() bool { return errors.Is(r.Err, agentapi.ErrUnsupported) }

// LastActivity is when the server was last active, by the operator's clock.
func (r Result) LastActivity() time.Time { return r.lastActivity }

// Next is the result of asking an agent once more: when to ask it again, and
// whether that is news.
func (t Target) Next(before Result, report agentapi.Report, err error, at time.Time) (now Result, again time.Duration, news bool) {
	if now = before; err != nil {
		now.Failures, now.Err = before.Failures+1, err
	} else {
		now = before.answered(report, at)
	}
	news = isNews(t, before, now)
	if again = t.Interval(); err != nil && !now.Outdated() {
		again = backOff(again, now.Failures)
	}
	return now, again, news
}

// backOff is how soon an agent is asked again that does not answer: longer with
// each failure, up to the interval.
func backOff(interval time.Duration, failures int) time.Duration {
	wait := min(interval, retryInterval)
	for i := patience; i < failures && wait < interval; i++ {
		wait = min(2*wait, interval)
	}
	return wait
}

// Interval is how often the agent is asked.
func (t Target) Interval() time.Duration {
	switch {
	case t.TracksActivity:
		return cmp.Or(t.Every, ActiveInterval)
	case t.AwaitsSessions:
		return ActiveInterval
	}
	return IdleInterval
}

// isNews tells whether the second of two results changes anything for its server.
func isNews(t Target, before, now Result) bool {
	if now.Unreachable() != before.Unreachable() || now.Outdated() != before.Outdated() {
		return true
	}
	if now.Failures > 0 {
		return false
	}
	r := now.Report
	if r.VersionText() != t.Version || (t.AwaitsSessions && r.Sessions == 0) {
		return true
	}
	if (r.SecretHash != "" && r.SecretHash != t.SecretHash) || levelOf(r.Home) != levelOf(before.Report.Home) || r.OOMKills != before.Report.OOMKills {
		return true
	}
	activity := now.LastActivity()
	return t.TracksActivity && (before.At.IsZero() || activity.Sub(t.Known) > t.Tolerance || before.lastActivity.Sub(activity) > setBack)
}

// setBack is how much earlier the last activity must be than before to show that
// the clock was set back. Otherwise it never gets earlier.
const setBack = time.Minute

// level is how full a home is, as far as that matters.
type level struct{ full, roomy bool }

func levelOf(r *agentapi.Room) level {
	if r == nil {
		return level{}
	}
	return level{r.Full(), r.Roomy()}
}
