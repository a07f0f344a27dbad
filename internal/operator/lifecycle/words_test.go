package lifecycle

import (
	"testing"
	"time"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		72 * time.Hour: "72h", 90 * time.Minute: "1h30m", time.Minute: "1m", 90 * time.Second: "1m30s", 10 * time.Second: "10s",
		10 * time.Hour: "10h", 10 * time.Minute: "10m", time.Hour + 10*time.Second: "1h0m10s", 0: "0s",
	} {
		if got := Short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestSentences(t *testing.T) {
	for want, test := range map[string]struct {
		d      Decision
		reason string
	}{
		"": {},
		"At work: keys typed or output on a terminal.":  {Decision{Work: &Work{Signal: agentapi.SignalTerminal}}, devv1.ReasonActive},
		"At work: traffic of SSH connections.":          {Decision{Work: &Work{Signal: agentapi.SignalSSH}}, devv1.ReasonActive},
		"At work: CPU use.":                             {Decision{Work: &Work{Signal: agentapi.SignalCPU}}, devv1.ReasonActive},
		"At work: GPU use.":                             {Decision{Work: &Work{Signal: agentapi.SignalGPU}}, devv1.ReasonActive},
		"At work: a process that asks to be kept.":      {Decision{Work: &Work{Signal: agentapi.SignalKeep}}, devv1.ReasonActive},
		"At work: it was started or wokenAt.":           {Decision{Work: &Work{}}, devv1.ReasonActive},
		"Kept by torchrun train.py.":                    {Decision{Work: &Work{State: Kept, Keep: "torchrun train.py"}}, devv1.ReasonKeptAwake},
		"Kept until 2026-01-30 13:00 UTC by its Lease.": {Decision{Work: &Work{State: Kept, Keep: "make", KeptAwakeUntil: in(time.Hour)}}, devv1.ReasonKeptAwake},
		"The agent does not answer, so the server counts as at work. It is not suspended.": {Decision{Work: &Work{State: Unknown}}, devv1.ReasonAgentUnreachable},
		"Idle since 2026-01-30 11:00 UTC (CPU 1%, GPU 0%); suspends at 2026-01-30 13:00 UTC.": {
			Decision{Work: &Work{State: Idle, Last: ago(time.Hour), Figures: "CPU 1%, GPU 0%"}, SuspendsAt: in(time.Hour)}, devv1.ReasonIdle,
		},
		"Idle since 2026-01-30 11:00 UTC (its container does not run: ImagePullFailed); suspends at 2026-01-30 13:00 UTC.": {
			Decide(Policy{IdleTimeout: 2 * time.Hour}, Facts{Pod: startFailure(time.Hour)}, noon), devv1.ReasonIdle,
		},
		"Idle since 2026-01-30 11:00 UTC; suspends at 2026-01-30 13:00 UTC.": {
			Decision{Work: &Work{State: Idle, Last: ago(time.Hour)}, SuspendsAt: in(time.Hour)}, devv1.ReasonIdle,
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

func TestWarningSentences(t *testing.T) {
	at := in(5 * time.Minute)
	for want, w := range map[string]Warning{
		"This server is suspended at 2026-01-30 12:05 UTC, because nobody works in it. Type anything to keep it.":                                                       {At: at, Cause: devv1.ReasonIdle},
		"Last warning: this server is suspended at 2026-01-30 12:05 UTC, because nobody works in it. Type anything to keep it.":                                         {At: at, Cause: devv1.ReasonIdle, Last: true},
		"This server is suspended at 2026-01-30 12:05 UTC, because its container does not run: CrashLoop. A keep defers it.":                                            {At: at, Cause: devv1.ReasonIdle, StartFailure: "CrashLoop"},
		"This server expires at 2026-01-30 12:05 UTC and is then stopped; its home directory is kept. A keep defers it.":                                                {At: at, Cause: devv1.ReasonExpired},
		"Last warning: this server expires at 2026-01-30 12:05 UTC and is then deleted; its home directory is kept unless its owner chose otherwise. A keep defers it.": {At: at, Cause: devv1.ReasonExpired, Delete: true, Last: true},
	} {
		if got := w.Sentence(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
