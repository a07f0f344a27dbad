package transition_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/operator/lifecycle"
	"devserver.io/devserver/internal/operator/transition"
	"devserver.io/devserver/internal/policy"
)

var noon = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

var errRefused = errors.New("refused")

// server is a transition.Server that records its calls.
type server struct {
	policy policy.Policy
	facts  lifecycle.Facts
	// agrees is the agent's answer to a drain, which it has not given yet if silent is
	// set. If it does not agree, active is when it then reports the server as last active;
	// zero leaves the facts as they are.
	agrees, silent bool
	active         time.Time
	err            error

	calls     []string
	idleSince time.Time
	recorded  lease.Suspension
}

func (s *server) call(name string) { s.calls = append(s.calls, name) }

func (s *server) Facts() lifecycle.Facts { return s.facts }
func (s *server) Now() time.Time         { return noon }

func (s *server) Decide(f lifecycle.Facts) lifecycle.Decision {
	return lifecycle.Decide(s.policy, f, noon)
}

func (s *server) Drain(idleSince time.Time) (drained, answered bool) {
	s.call("drain")
	s.idleSince = idleSince
	if !s.agrees && !s.active.IsZero() {
		pod := *s.facts.Pod
		pod.Activity = &lifecycle.AgentActivity{LastActivity: s.active}
		s.facts.Pod = &pod
	}
	return s.agrees, !s.silent
}

func (s *server) Release() { s.call("release") }

func (s *server) RecordSuspension(_ context.Context, suspension lease.Suspension) error {
	s.call("record suspension")
	s.recorded = suspension
	return s.err
}

func (s *server) ClearSuspension(context.Context) error {
	s.call("clear suspension")
	return s.err
}

func (s *server) RecordExpiry(context.Context) error {
	s.call("record expiry")
	if s.err == nil {
		s.facts.Expired = &lifecycle.Expiry{RestartedAt: s.facts.RestartedAt}
	}
	return s.err
}

func (s *server) Delete(context.Context, lifecycle.Decision) error {
	s.call("delete")
	return s.err
}

func TestCarryOut(t *testing.T) {
	idlePolicy := policy.Policy{IdleTimeout: 2 * time.Hour}
	pod := func(active time.Duration) *lifecycle.Pod {
		return &lifecycle.Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &lifecycle.AgentActivity{LastActivity: ago(active)}}
	}
	idle := lifecycle.Facts{LastWarningAt: ago(10 * time.Minute), Pod: pod(3 * time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour)}}
	failing := idle
	failing.Pod = &lifecycle.Pod{StartedAt: ago(9 * time.Hour), StartFailure: devv1.ReasonImagePullFailed}
	resumed := idle
	resumed.Resumed = true
	expired := lifecycle.Facts{LastWarningAt: ago(10 * time.Minute), Pod: pod(0)}
	suspension := lease.Suspension{Cause: devv1.ReasonIdle, At: ago(time.Hour), RenewTime: ago(3 * time.Hour)}
	renewed := lifecycle.Facts{Lease: lease.Lease{RenewTime: ago(time.Minute), Suspension: &suspension}}
	ttl := policy.Policy{TimeToLive: 8 * time.Hour, OnExpire: devv1.ExpireSuspend}

	for name, test := range map[string]struct {
		s      server
		calls  []string
		run    bool
		cause  string
		act    lifecycle.Act
		fails  bool
		awaits bool
	}{
		"nothing to do": {
			s:     server{policy: idlePolicy, facts: lifecycle.Facts{Pod: pod(time.Minute)}},
			calls: []string{"release"}, run: true,
		},
		"suspend": {
			s:     server{policy: idlePolicy, facts: idle, agrees: true},
			calls: []string{"drain", "record suspension"}, cause: devv1.ReasonIdle,
		},
		"no answer yet": {
			s:     server{policy: idlePolicy, facts: idle, silent: true},
			calls: []string{"drain"}, run: true, cause: devv1.ReasonIdle, awaits: true,
		},
		"suspended": {
			s:     server{policy: idlePolicy, facts: lifecycle.Facts{NoPod: true, Lease: lease.Lease{RenewTime: ago(3 * time.Hour), Suspension: &suspension}}},
			cause: devv1.ReasonIdle,
		},
		"suspend without a container": {
			s:     server{policy: idlePolicy, facts: failing},
			calls: []string{"record suspension"}, cause: devv1.ReasonIdle,
		},
		"drain refused, active": {
			s:     server{policy: idlePolicy, facts: idle, active: ago(time.Second)},
			calls: []string{"drain"}, run: true,
		},
		"drain refused, but still idle": {
			s:     server{policy: idlePolicy, facts: idle},
			calls: []string{"drain"}, run: true, cause: devv1.ReasonIdle,
		},
		"record refused": {
			s:     server{policy: idlePolicy, facts: idle, agrees: true, err: errRefused},
			calls: []string{"drain", "record suspension", "release"}, run: true, cause: devv1.ReasonIdle, act: lifecycle.ActSuspend, fails: true,
		},
		"expire": {
			s:     server{policy: ttl, facts: expired},
			calls: []string{"record expiry"}, cause: devv1.ReasonExpired,
		},
		"expiry refused": {
			s:     server{policy: ttl, facts: expired, err: errRefused},
			calls: []string{"record expiry"}, run: true, cause: devv1.ReasonExpired, act: lifecycle.ActSuspend, fails: true,
		},
		"delete at the expiry": {
			s:     server{policy: policy.Policy{TimeToLive: 8 * time.Hour, OnExpire: devv1.ExpireDelete}, facts: expired},
			calls: []string{"delete"}, run: true, act: lifecycle.ActDelete,
		},
		"delete after a suspension": {
			s:     server{policy: policy.Policy{DeleteAfter: time.Hour}, facts: lifecycle.Facts{Suspend: true, SuspendedAt: ago(2 * time.Hour), DeletesAt: ago(time.Minute), NoPod: true}},
			calls: []string{"delete"}, cause: devv1.ReasonSuspended, act: lifecycle.ActDelete,
		},
		"deletion refused": {
			s:     server{policy: policy.Policy{TimeToLive: 8 * time.Hour, OnExpire: devv1.ExpireDelete}, facts: expired, err: errRefused},
			calls: []string{"delete"}, run: true, act: lifecycle.ActDelete, fails: true,
		},
		"wake": {
			s:     server{policy: idlePolicy, facts: renewed},
			calls: []string{"release", "clear suspension"}, run: true, act: lifecycle.ActClearSuspension,
		},
		"wake refused": {
			s:     server{policy: idlePolicy, facts: renewed, err: errRefused},
			calls: []string{"release", "clear suspension"}, run: true, act: lifecycle.ActClearSuspension, fails: true,
		},
		"resumed a moment ago": {
			s:     server{policy: idlePolicy, facts: resumed},
			calls: []string{"release"}, run: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &test.s
			got, err := transition.CarryOut(t.Context(), s, s.Decide(s.Facts()))
			if (err != nil) != test.fails || (test.fails && !errors.Is(err, errRefused)) {
				t.Errorf("the error is %v", err)
			}
			if diff := cmp.Diff(test.calls, s.calls); diff != "" {
				t.Errorf("calls: -want +got:\n%s", diff)
			}
			if got.Run != test.run || got.Cause != test.cause || got.Act != test.act || got.AwaitsAgent != test.awaits {
				t.Errorf("run %t, cause %q, act %d, awaits the agent: %t; want %t, %q, %d, %t", got.Run, got.Cause, got.Act, got.AwaitsAgent, test.run, test.cause, test.act, test.awaits)
			}
			if test.awaits && (got.Activity != nil || !got.Renew.IsZero() || !got.RequeueAt.Equal(noon.Add(time.Minute))) {
				t.Errorf("while the agent is asked, the decision is %+v", got)
			}
		})
	}
}

// A suspension records what would wake the server, and why its container could not
// run.
func TestRecordedSuspension(t *testing.T) {
	s := &server{
		policy: policy.Policy{IdleTimeout: 2 * time.Hour},
		facts: lifecycle.Facts{
			RestartedAt: ago(20 * time.Hour), LastWarningAt: ago(10 * time.Minute), Lease: lease.Lease{RenewTime: ago(3 * time.Hour)},
			Pod: &lifecycle.Pod{StartedAt: ago(9 * time.Hour), StartFailure: devv1.ReasonImagePullFailed},
		},
	}
	if _, err := transition.CarryOut(t.Context(), s, s.Decide(s.Facts())); err != nil {
		t.Fatal(err)
	}
	want := lease.Suspension{Cause: devv1.ReasonIdle, At: noon, RenewTime: ago(3 * time.Hour), RestartedAt: ago(20 * time.Hour), StartFailure: devv1.ReasonImagePullFailed}
	if diff := cmp.Diff(want, s.recorded); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// If the agent says that the server is active, without an activity to show, the
// server runs on, its status stays, and the agent is asked again in a minute.
func TestAgentHasTheLastWord(t *testing.T) {
	s := &server{
		policy: policy.Policy{IdleTimeout: 2 * time.Hour},
		facts: lifecycle.Facts{
			LastWarningAt: ago(10 * time.Minute), Lease: lease.Lease{RenewTime: ago(3 * time.Hour)},
			Pod: &lifecycle.Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &lifecycle.AgentActivity{LastActivity: ago(3 * time.Hour)}},
		},
	}
	got, err := transition.CarryOut(t.Context(), s, s.Decide(s.Facts()))
	if err != nil || !got.Run || got.Act != lifecycle.ActNone || got.Activity != nil || !got.RequeueAt.Equal(noon.Add(time.Minute)) {
		t.Errorf("decides %+v, %v", got, err)
	}
	if !s.idleSince.Equal(ago(3 * time.Hour)) {
		t.Errorf("the agent is asked whether the server has been idle since %s, want %s", s.idleSince, ago(3*time.Hour))
	}
}

func TestDrainRequest(t *testing.T) {
	thresholds := agentapi.Thresholds{CPUMillis: 7}
	for idle, want := range map[time.Duration]float64{
		time.Hour:            (time.Hour - transition.Tolerance).Seconds(),
		transition.Tolerance: 0,
		time.Second:          0,
		-time.Hour:           0,
	} {
		got := transition.DrainRequest(thresholds, ago(idle), noon)
		if diff := cmp.Diff(agentapi.Drain{Thresholds: thresholds, IdleSeconds: want}, got); diff != "" {
			t.Errorf("idle for %s: -want +got:\n%s", idle, diff)
		}
	}
}
