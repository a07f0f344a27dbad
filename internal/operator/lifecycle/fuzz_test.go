package lifecycle

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	devv1 "devserver.io/devserver/api/v1"
)

// FuzzDecide makes a box, its policy and a time of bytes, and holds what is
// decided to what must be so whatever they are.
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
		checkSleep(t, p, facts, d, now)
		facts = told(facts, d, now)
		d = Decide(p, facts, now)
		checkAgain(t, p, facts, d, now)
		checkMoreWork(t, p, facts, d, now)
		checkKeep(t, p, facts, d, now)
		checkAct(t, p, facts, d, now)
		if t.Failed() {
			t.Logf("now %s\npolicy %+v\nfacts %+v\npod %+v\nmark %+v\ndecision %+v", now, p, facts, facts.Pod, facts.Lease.Suspension, d)
		}
	})
}

func fuzzSchedules(f *testing.F) []Timetable {
	f.Helper()
	tables := []Timetable{{}}
	for _, s := range []devv1.Schedule{
		{Stop: "0 20 * * *"},
		{Start: "0 8 * * 1-5", Stop: "0 11 * * *"},
		{Start: "0 12 * * *"},
		{Start: "30 8 * * *", Stop: "30 2 * * *", TimeZone: "Europe/Berlin"},
		{Start: "0 12 30 1 *", Stop: "* * * * *"},
	} {
		table, err := parseTimetable(&s)
		if err != nil {
			f.Fatal(err)
		}
		tables = append(tables, table)
	}
	return tables
}

// told is what is known once people were told what was decided.
func told(f Facts, d Decision, now time.Time) Facts {
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

// checkSleep: nobody's box sleeps for want of work unless its agent says so.
func checkSleep(t *testing.T, p Policy, f Facts, d Decision, now time.Time) {
	if f.Suspend && (d.Run || d.Cause != devv1.ReasonSuspended) {
		t.Error("runs although its owner suspended it")
	}
	if d.Act != ActSuspend || d.Cause == devv1.ReasonExpired {
		return
	}
	if f.Pod == nil || f.Pod.StartFailure == "" && (f.Pod.Silent || f.Pod.Activity == nil || f.Pod.ReadyAt.IsZero()) {
		t.Fatal("sleeps although nobody knows what it does")
	}
	signs := []time.Time{f.Lease.RenewTime, f.Pod.ReadyAt, f.Pod.ReadyUntil, f.Pod.StartedAt}
	if f.Pod.Activity != nil {
		signs = append(signs, f.Pod.Activity.LastActivity)
	}
	if f.LastWarningAt.IsZero() || f.LastWarningAt.After(now) {
		t.Error("sleeps without a warning")
	}
	patience := p.IdleTimeout
	if d.Cause == devv1.ReasonScheduled {
		patience = lateIdle
	}
	for _, sign := range signs {
		if patience == 0 || now.Sub(sign) < patience {
			t.Errorf("sleeps %s after %s", now.Sub(sign), sign)
		}
	}
	if length := keepOf(p, f); length > 0 && f.Lease.KeepAwakeFrom.Add(length).After(now) && !f.Lease.KeepAwakeFrom.After(now) {
		t.Error("sleeps although it is kept")
	}
}

func keepOf(p Policy, f Facts) time.Duration {
	if f.Lease.KeepAwakeFrom.IsZero() {
		return 0
	}
	if p.MaxKeepAwake > 0 {
		return min(f.Lease.KeepAwakeFor, p.MaxKeep)
	}
	return f.Lease.KeepAwakeFor
}

// checkAgain: whoever waits until Again misses nothing.
func checkAgain(t *testing.T, p Policy, f Facts, d Decision, now time.Time) {
	if d.Act != ActNone {
		return
	}
	span := 100 * 24 * time.Hour
	if !d.RequeueAt.IsZero() {
		if span = d.RequeueAt.Sub(now) - 1; span < 0 {
			t.Fatalf("wants to look again at %s, which is over", d.RequeueAt)
		}
	}
	for _, part := range []time.Duration{2, 50, 1} {
		later := Decide(p, f, now.Add(span/part))
		if later.Act != d.Act || later.Run != d.Run || later.Cause != d.Cause {
			t.Errorf("%s later, before it wanted to look again, it decides %+v", span/part, later)
		}
		if later.Warning != nil && !cmp.Equal(later.Warning, d.Warning) {
			t.Errorf("%s later, before it wanted to look again, it warns of %+v", span/part, later.Warning)
		}
		if later.Work != nil && later.Work.State == Idle && d.Activity.State == Working {
			t.Errorf("%s later, before it wanted to look again, it is idle", span/part)
		}
	}
}

// checkMoreWork: more work never brings the stop nearer.
func checkMoreWork(t *testing.T, p Policy, f Facts, d Decision, now time.Time) {
	if f.Pod == nil || f.Pod.Activity == nil {
		return
	}
	at := f.Pod.Activity.LastActivity.Add(now.Sub(f.Pod.Activity.LastActivity) / 2)
	if !at.After(f.Pod.Activity.LastActivity) {
		return
	}
	worked, sighting := *f.Pod, *f.Pod.Activity
	sighting.LastActivity, worked.Activity, f.Pod = at, &sighting, &worked
	more := Decide(p, f, now)
	if more.Act == ActSuspend && d.Act != ActSuspend || more.Act == ActDelete && d.Act != ActDelete || d.Run && !more.Run {
		t.Errorf("more work stops it: %+v", more)
	}
	if !more.SuspendsAt.IsZero() && more.SuspendsAt.Before(d.SuspendsAt) {
		t.Errorf("more work brings the stop from %s to %s", d.SuspendsAt, more.SuspendsAt)
	}
}

// checkKeep: a keep has its bounds.
func checkKeep(t *testing.T, p Policy, f Facts, d Decision, now time.Time) {
	bounded := f
	bounded.Lease.KeepAwakeFor = keepOf(p, f)
	if diff := cmp.Diff(d, Decide(p, bounded, now)); diff != "" {
		t.Errorf("a keep beyond its bounds is another than one within:\n%s", diff)
	}
	most := max(p.TimeToLive, p.MaxTimeToLive)
	// One that is over already has what a warning takes.
	if p.MaxTimeToLive > 0 && !d.ExpiresAt.IsZero() && d.ExpiresAt.After(latest(f.Pod.StartedAt.Add(most), now.Add(lastLead))) {
		t.Errorf("lives until %s", d.ExpiresAt)
	}
}

// checkAct: a step is made once, and leads where it was meant to.
func checkAct(t *testing.T, p Policy, f Facts, d Decision, now time.Time) {
	switch d.Act {
	case ActSuspend:
		if d.Cause == devv1.ReasonExpired {
			f.Expired = &Expiry{RestartedAt: f.RestartedAt}
		} else {
			mark := SuspensionOf(d.Cause, f, now)
			f.Lease.Suspension = ParseSuspension(mark.Text())
		}
		f.Resumed = false // That was before it was put to sleep.
		if next := Decide(p, f, now); next.Run || next.Cause != d.Cause || next.Act == ActSuspend || next.Act == ActClearSuspension {
			t.Errorf("marked, it decides %+v", next)
		}
	case ActClearSuspension:
		f.Lease.Suspension = nil
		if !d.Renew.IsZero() {
			f.Lease.RenewTime = d.Renew
		}
		if next := Decide(p, f, now); next.Run != d.Run || next.Act == ActClearSuspension {
			t.Errorf("without the mark, it decides %+v", next)
		}
	}
}

// chooser makes choices of bytes, and the first of each when there are no more.
type chooser struct{ rest []byte }

func (c *chooser) of(n int) int {
	if len(c.rest) == 0 {
		return 0
	}
	b := c.rest[0]
	c.rest = c.rest[1:]
	return int(b) % n
}

// duration is from a millisecond to some months, either way.
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

// at is a time near now, or none.
func (c *chooser) at(now time.Time) time.Time {
	if c.of(4) == 0 {
		return time.Time{}
	}
	return now.Add(-c.duration())
}

func (c *chooser) policy(schedules []Timetable) Policy {
	p := Policy{IdleTimeout: c.length(), TimeToLive: c.length(), MaxKeepAwake: c.length(), DeleteAfter: c.length(), OnExpire: devv1.ExpireSuspend}
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
		cause := []Cause{devv1.ReasonIdle, devv1.ReasonScheduled}[c.of(2)]
		f.Lease.Suspension = &Suspension{Cause: cause, At: c.at(now), RenewTime: f.Lease.RenewTime, RestartedAt: f.RestartedAt}
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
	f.Pod = &Pod{StartedAt: c.at(now), ReadyAt: c.at(now), Silent: c.of(8) == 1}
	if c.of(6) != 1 {
		f.Pod.Activity = &AgentActivity{LastActivity: c.at(now)}
		if c.of(4) == 1 {
			f.Pod.Activity.Keep = "make"
		}
	}
	if c.of(8) == 1 {
		f.Pod.ReadyUntil = earliest(c.at(now), now)
		f.Pod.StartFailure = devv1.ReasonImagePullFailed
	}
	return f
}
