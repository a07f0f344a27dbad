package lifecycle

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// lastWarning is the longest time that a last warning is given before a stop.
const lastWarning = 5 * time.Minute

// FuzzDecide makes a server, its policy and a time from bytes, and checks what must
// be true of every decision.
func FuzzDecide(f *testing.F) {
	schedules := fuzzSchedules(f)
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		seed := make([]byte, 64)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := chooser{text}
		now := noon.Add(c.duration() / 1000)
		p, facts := c.policy(schedules), c.facts(now)
		d := Decide(p, facts, now)
		if diff := cmp.Diff(d, Decide(p, facts, now)); diff != "" {
			t.Errorf("decides differently the second time:\n%s", diff)
		}
		checkSuspend(t, p, facts, d, now)
		facts = withStatus(facts, d, now)
		d = Decide(p, facts, now)
		checkRequeue(t, p, facts, d, now)
		checkMoreActivity(t, p, facts, d, now)
		checkKeepAwake(t, p, facts, d, now)
		checkAct(t, p, facts, d, now)
		if t.Failed() {
			t.Logf("now %s\npolicy %+v\nfacts %+v\npod %+v\nsuspension %+v\ndecision %+v", now, p, facts, facts.Pod, facts.Lease.Suspension, d)
		}
	})
}

func fuzzSchedules(f *testing.F) []policy.Timetable {
	f.Helper()
	tables := []policy.Timetable{{}}
	for _, s := range []devv1.Schedule{
		{Stop: "0 20 * * *"},
		{Start: "0 8 * * 1-5", Stop: "0 11 * * *"},
		{Start: "0 12 * * *"},
		{Start: "30 8 * * *", Stop: "30 2 * * *", TimeZone: "Europe/Berlin"},
		{Start: "0 12 30 1 *", Stop: "* * * * *"},
	} {
		tables = append(tables, timetable(f, s))
	}
	return tables
}

// withStatus is what is known once the status shows the decision.
func withStatus(f Facts, d Decision, now time.Time) Facts {
	if d.Act != ActNone {
		return f
	}
	switch {
	case d.Warning == nil || !d.Warning.Last:
		f.LastWarningAt = time.Time{}
	case f.LastWarningAt.IsZero() || f.LastWarningAt.After(now):
		f.LastWarningAt = now
	}
	f.DeletesAt = d.DeletesAt
	return f
}

// checkSuspend: a server is suspended for being idle only if its agent reports that
// it is.
func checkSuspend(t *testing.T, p policy.Policy, f Facts, d Decision, now time.Time) {
	if f.Suspend && (d.Run || d.Cause != devv1.ReasonSuspended) {
		t.Error("the server runs although its owner suspended it")
	}
	if d.Act != ActSuspend || d.Cause == devv1.ReasonExpired {
		return
	}
	if f.Pod == nil || (f.Pod.StartFailure == "" && (f.Pod.AgentUnreachable || f.Pod.Activity == nil || f.Pod.ReadyAt.IsZero())) {
		t.Fatal("the server is suspended although its activity is unknown")
	}
	signs := []time.Time{f.Lease.RenewTime, f.Pod.ReadyAt, f.Pod.ReadyUntil, f.Pod.StartedAt}
	if f.Pod.Activity != nil {
		signs = append(signs, f.Pod.Activity.LastActivity)
	}
	if f.LastWarningAt.IsZero() || f.LastWarningAt.After(now) {
		t.Error("the server is suspended without a warning")
	}
	timeout := p.IdleTimeout
	if d.Cause == devv1.ReasonScheduled {
		timeout = policy.IdleAfterStop
	}
	for _, sign := range signs {
		if timeout == 0 || now.Sub(sign) < timeout {
			t.Errorf("the server is suspended %s after %s, and its timeout is %s", now.Sub(sign), sign, timeout)
		}
	}
	if length := keepAwakeOf(p, f); length > 0 && f.Lease.KeepAwakeFrom.Add(length).After(now) && !f.Lease.KeepAwakeFrom.After(now) {
		t.Error("the server is suspended although it is kept awake")
	}
}

// keepAwakeOf is how long the Lease keeps the server awake, within the policy.
func keepAwakeOf(p policy.Policy, f Facts) time.Duration {
	if f.Lease.KeepAwakeFrom.IsZero() {
		return 0
	}
	if p.MaxKeepAwake > 0 {
		return min(f.Lease.KeepAwakeFor, p.MaxKeepAwake)
	}
	return f.Lease.KeepAwakeFor
}

// checkRequeue: nothing changes before Decision.RequeueAt.
func checkRequeue(t *testing.T, p policy.Policy, f Facts, d Decision, now time.Time) {
	if d.Act != ActNone {
		return
	}
	span := 100 * 24 * time.Hour
	if !d.RequeueAt.IsZero() {
		if span = d.RequeueAt.Sub(now) - 1; span < 0 {
			t.Fatalf("decides again at %s, which is in the past", d.RequeueAt)
		}
	}
	for _, part := range []time.Duration{2, 50, 1} {
		later := Decide(p, f, now.Add(span/part))
		if later.Act != d.Act || later.Run != d.Run || later.Cause != d.Cause {
			t.Errorf("%s later, before RequeueAt, it decides %+v", span/part, later)
		}
		if later.Warning != nil && !cmp.Equal(later.Warning, d.Warning) {
			t.Errorf("%s later, before RequeueAt, it warns of %+v", span/part, later.Warning)
		}
		if later.Activity != nil && later.Activity.State == Idle && d.Activity.State == Active {
			t.Errorf("%s later, before RequeueAt, it is idle", span/part)
		}
	}
}

// checkMoreActivity: more activity never brings the stop nearer.
func checkMoreActivity(t *testing.T, p policy.Policy, f Facts, d Decision, now time.Time) {
	if f.Pod == nil || f.Pod.Activity == nil {
		return
	}
	at := f.Pod.Activity.LastActivity.Add(now.Sub(f.Pod.Activity.LastActivity) / 2)
	if !at.After(f.Pod.Activity.LastActivity) {
		return
	}
	active, report := *f.Pod, *f.Pod.Activity
	report.LastActivity, active.Activity, f.Pod = at, &report, &active
	more := Decide(p, f, now)
	if (more.Act == ActSuspend && d.Act != ActSuspend) || (more.Act == ActDelete && d.Act != ActDelete) || (d.Run && !more.Run) {
		t.Errorf("more activity stops the server: %+v", more)
	}
	if !more.SuspendsAt.IsZero() && more.SuspendsAt.Before(d.SuspendsAt) {
		t.Errorf("more activity moves the stop from %s to %s", d.SuspendsAt, more.SuspendsAt)
	}
}

// checkKeepAwake: a server is kept awake within the policy's bounds.
func checkKeepAwake(t *testing.T, p policy.Policy, f Facts, d Decision, now time.Time) {
	bounded := f
	bounded.Lease.KeepAwakeFor = keepAwakeOf(p, f)
	if diff := cmp.Diff(d, Decide(p, bounded, now)); diff != "" {
		t.Errorf("keeping awake beyond the bound differs from keeping awake up to it:\n%s", diff)
	}
	most := max(p.TimeToLive, p.MaxTimeToLive)
	// A server whose time is over already gets the time of a last warning.
	if p.MaxTimeToLive > 0 && !d.ExpiresAt.IsZero() && d.ExpiresAt.After(latest(f.Pod.StartedAt.Add(most), now.Add(lastWarning))) {
		t.Errorf("the server lives until %s", d.ExpiresAt)
	}
}

// checkAct: a step is taken once, and the decision after it is the intended one.
func checkAct(t *testing.T, p policy.Policy, f Facts, d Decision, now time.Time) {
	switch d.Act {
	case ActSuspend:
		if d.Cause == devv1.ReasonExpired {
			f.Expired = &Expiry{RestartedAt: f.RestartedAt}
		} else {
			f.Lease.Suspension = lease.ParseSuspension(SuspensionOf(d.Cause, f, now).Text())
		}
		f.Resumed = false // That was before the suspension.
		if next := Decide(p, f, now); next.Run || next.Cause != d.Cause || next.Act == ActSuspend || next.Act == ActClearSuspension {
			t.Errorf("once that is recorded, it decides %+v", next)
		}
	case ActClearSuspension:
		f.Lease.Suspension = nil
		if !d.Renew.IsZero() {
			f.Lease.RenewTime = d.Renew
		}
		if next := Decide(p, f, now); next.Run != d.Run || next.Act == ActClearSuspension {
			t.Errorf("without the suspension, it decides %+v", next)
		}
	}
}

// chooser makes choices from bytes, and the first of each if none are left.
type chooser struct{ rest []byte }

func (c *chooser) of(n int) int {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return int(b) % n
}

// duration is between a millisecond and some months, positive or negative.
func (c *chooser) duration() time.Duration {
	unit := []time.Duration{time.Minute, time.Second, time.Millisecond, time.Hour}[c.of(4)]
	if len(c.rest) < 2 {
		return unit
	}
	n := int16(binary.LittleEndian.Uint16(c.rest))
	c.rest = c.rest[2:]
	if c.of(2) == 0 {
		n %= 100
	}
	return time.Duration(n) * unit
}

func (c *chooser) length() time.Duration {
	if c.of(3) == 0 {
		return 0
	}
	return c.duration().Abs() + time.Minute
}

// at is a time near now, or zero.
func (c *chooser) at(now time.Time) time.Time {
	if c.of(4) == 0 {
		return time.Time{}
	}
	return now.Add(-c.duration())
}

func (c *chooser) policy(schedules []policy.Timetable) policy.Policy {
	p := policy.Policy{IdleTimeout: c.length(), TimeToLive: c.length(), MaxKeepAwake: c.length(), DeleteAfter: c.length(), OnExpire: devv1.ExpireSuspend}
	p.Schedule = schedules[c.of(len(schedules))]
	if c.of(4) == 1 {
		p.OnExpire = devv1.ExpireDelete
	}
	if c.of(2) == 1 && p.TimeToLive > 0 {
		p.MaxTimeToLive = p.TimeToLive + c.length()
	}
	return p
}

func (c *chooser) facts(now time.Time) Facts {
	f := Facts{Suspend: c.of(8) == 1, RestartedAt: c.at(now), SuspendedAt: c.at(now)}
	if c.of(8) == 1 {
		f.HoldUntil = c.at(now)
	}
	if c.of(2) == 1 {
		f.Lease.RenewTime = c.at(now)
	}
	if c.of(2) == 1 {
		f.Lease.KeepAwakeFrom, f.Lease.KeepAwakeFor = c.at(now), c.duration()
	}
	if c.of(4) == 1 {
		cause := []string{devv1.ReasonIdle, devv1.ReasonScheduled}[c.of(2)]
		f.Lease.Suspension = &lease.Suspension{Cause: cause, At: c.at(now), RenewTime: f.Lease.RenewTime, RestartedAt: f.RestartedAt}
		if c.of(2) == 1 {
			f.Lease.Suspension.RenewTime = c.at(now)
		}
	}
	if c.of(8) == 1 {
		f.Expired = &Expiry{RestartedAt: c.at(now)}
	}
	if c.of(3) != 1 {
		f.LastWarningAt = c.at(now)
	}
	f.DeletesAt, f.Resumed = c.at(now), c.of(8) == 1
	if c.of(4) == 1 {
		return f
	}
	f.Pod = &Pod{StartedAt: c.at(now), ReadyAt: c.at(now), AgentUnreachable: c.of(8) == 1}
	if c.of(6) != 1 {
		f.Pod.Activity = &AgentActivity{LastActivity: c.at(now)}
		if c.of(4) == 1 {
			f.Pod.Activity.KeptAwakeBy = "make"
		}
	}
	if c.of(8) == 1 {
		f.Pod.ReadyUntil = earliest(c.at(now), now)
		f.Pod.StartFailure = devv1.ReasonImagePullFailed
	}
	return f
}
