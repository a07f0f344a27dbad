package lifecycle

import (
	"testing"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

func TestSentences(t *testing.T) {
	idle := policy.Policy{IdleTimeout: 2 * time.Hour}
	for want, test := range map[string]struct {
		d      Decision
		reason string
	}{
		"": {},
		"Started, resumed or active within the last 10m.": {
			Decide(idle, Facts{Pod: pod(9*time.Hour, time.Minute)}, noon), devv1.ReasonActive,
		},
		"Started, resumed or active within the last 2m.": {
			Decide(policy.Policy{IdleTimeout: 4 * time.Minute}, Facts{Pod: pod(time.Minute, time.Minute)}, noon), devv1.ReasonActive,
		},
		"Kept awake by torchrun train.py.": {
			Decision{Activity: &Activity{State: KeptAwake, KeptAwakeBy: "torchrun train.py"}}, devv1.ReasonKeptAwake,
		},
		"Kept awake until 2026-01-30 13:00 UTC.": {
			Decision{Activity: &Activity{State: KeptAwake, KeptAwakeBy: "make", KeptAwakeUntil: in(time.Hour)}}, devv1.ReasonKeptAwake,
		},
		"The agent does not answer. The server counts as active, and is not suspended for being idle.": {
			Decision{Activity: &Activity{State: Unknown}}, devv1.ReasonAgentUnreachable,
		},
		"The agent is too old to report activity. The server counts as active, and is not suspended for being idle, until it is restarted.": {
			Decision{Activity: &Activity{State: Unknown, AgentOutdated: true}}, devv1.ReasonAgentOutdated,
		},
		"A Lease with the server's name belongs to another owner. The server counts as active, and is not suspended for being idle, until that Lease is deleted.": {
			Decision{Activity: &Activity{State: Unknown, ForeignLease: true}}, devv1.ReasonObjectConflict,
		},
		"Idle since 2026-01-30 11:00 UTC, because its container cannot run: ImagePullFailed. Suspended at 2026-01-30 13:00 UTC.": {
			Decide(idle, Facts{Pod: failing(time.Hour)}, noon), devv1.ReasonIdle,
		},
		"Idle since 2026-01-30 11:00 UTC. Suspended at 2026-01-30 13:00 UTC, unless it is used before.": {
			Decide(idle, Facts{Pod: pod(9*time.Hour, time.Hour)}, noon), devv1.ReasonIdle,
		},
	} {
		if got := test.d.Sentence(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if test.d.Activity != nil && test.d.Activity.Reason() != test.reason {
			t.Errorf("%q: the reason is %q, want %q", want, test.d.Activity.Reason(), test.reason)
		}
	}
}

// The sentence of a decision stays true until the decision is made again: it
// names nothing that changes in between.
func TestSentenceOutlastsActivity(t *testing.T) {
	idle := policy.Policy{IdleTimeout: 2 * time.Hour}
	sentence := func(active time.Duration) string {
		return Decide(idle, Facts{Pod: pod(9*time.Hour, active), Lease: lease.Lease{RenewTime: ago(9 * time.Hour)}}, noon).Sentence()
	}
	if now, earlier := sentence(0), sentence(9*time.Minute); now != earlier {
		t.Errorf("active now: %q; active 9 minutes ago: %q", now, earlier)
	}
}

func TestWarningSentences(t *testing.T) {
	at := in(5 * time.Minute)
	for want, w := range map[string]Warning{
		"This server is idle and will be suspended at 2026-01-30 12:05 UTC. Type anything to prevent that.":                                                                                         {At: at, Cause: devv1.ReasonIdle},
		"Last warning: this server is idle and will be suspended at 2026-01-30 12:05 UTC. Type anything to prevent that.":                                                                           {At: at, Cause: devv1.ReasonIdle, Last: true},
		"This server will be suspended at 2026-01-30 12:05 UTC, because its container cannot run: CrashLoop. To prevent that: devctl keep.":                                                         {At: at, Cause: devv1.ReasonIdle, StartFailure: "CrashLoop"},
		"This server reaches its time to live at 2026-01-30 12:05 UTC and will be stopped. Its home directory is kept. To extend it: devctl extend.":                                                {At: at, Cause: devv1.ReasonExpired},
		"Last warning: this server reaches its time to live at 2026-01-30 12:05 UTC and will be deleted. Its home directory is kept unless its owner chose otherwise. To extend it: devctl extend.": {At: at, Cause: devv1.ReasonExpired, Delete: true, Last: true},
	} {
		if got := w.Sentence(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
