package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
)

// noon is a Friday.
var noon = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }
func in(d time.Duration) time.Time  { return noon.Add(d) }

// pod is one that started and answered so long ago, and whose agent said that
// it was last at work so long ago.
func pod(started, worked time.Duration) *Pod {
	return &Pod{StartedAt: ago(started), ReadyAt: ago(started), Activity: &AgentActivity{LastActivity: ago(worked)}}
}

// startFailure is one that started so long ago, and whose container cannot run.
func startFailure(started time.Duration) *Pod {
	return &Pod{StartedAt: ago(started), StartFailure: devv1.ReasonImagePullFailed}
}

func table(t *testing.T, s devv1.Schedule) Timetable {
	t.Helper()
	parsed, err := parseTimetable(&s)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestDecide(t *testing.T) {
	idle := Policy{IdleTimeout: 2 * time.Hour}
	ttl := Policy{TimeToLive: 24 * time.Hour, OnExpire: devv1.ExpireSuspend}
	office := Policy{Schedule: table(t, devv1.Schedule{Start: "0 8 * * 1-5", Stop: "0 11 * * *"})}
	mark := func(cause Cause, at time.Time) *Suspension {
		return &Suspension{Cause: cause, At: at, RenewTime: ago(5 * time.Hour)}
	}
	slept := Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonIdle, ago(3*time.Hour))}
	expired := &Expiry{}
	// People were told of what is due long ago.
	told := ago(10 * time.Hour)
	noonDaily := Policy{Schedule: table(t, devv1.Schedule{Start: "0 12 * * *"})}
	lunch := Policy{Schedule: table(t, devv1.Schedule{Start: "30 11 * * *"})}
	for name, test := range map[string]struct {
		p     Policy
		f     Facts
		run   bool
		act   Act
		cause Cause
		state State
		again time.Time
	}{
		"no policy, no end": {f: Facts{Pod: pod(9000*time.Hour, 9000*time.Hour)}, run: true},
		"starting":          {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(5 * time.Hour)}}, run: true},
		"no pod":            {p: idle, run: true},

		"at work":              {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: Lease{RenewTime: ago(2 * time.Minute)}}, run: true, again: in(3 * time.Minute)},
		"a pause":              {p: idle, f: Facts{Pod: pod(9*time.Hour, 9*time.Minute), Lease: Lease{RenewTime: ago(9 * time.Minute)}}, run: true, again: in(time.Minute)},
		"idle":                 {p: idle, f: Facts{Pod: pod(9*time.Hour, 10*time.Minute), Lease: Lease{RenewTime: ago(10 * time.Minute)}}, run: true, state: Idle, again: in(95 * time.Minute)},
		"idle for too long":    {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 2*time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"overdue, nobody told": {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour)}}, run: true, state: Idle, again: in(5*time.Minute - same)},
		"overdue, just told":   {p: idle, f: Facts{LastWarningAt: ago(time.Minute), Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour)}}, run: true, state: Idle, again: in(4*time.Minute - same)},
		"overdue, warned":      {p: idle, f: Facts{LastWarningAt: ago(5 * time.Minute), Pod: pod(9*time.Hour, 3*time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"expires, nobody told": {p: ttl, f: Facts{Pod: pod(90*time.Hour, 0)}, run: true, again: in(5*time.Minute - same)},
		"an agent too old":     {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), TooOld: true}}, run: true, state: Unknown},
		"a foreign Lease":      {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{Foreign: true}}, run: true, state: Unknown},
		"just started":         {p: idle, f: Facts{Pod: pod(time.Minute, time.Minute), Lease: Lease{RenewTime: ago(50 * time.Hour)}}, run: true, again: in(9 * time.Minute)},
		"slow to start":        {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(3 * time.Hour), ReadyAt: ago(time.Minute), Activity: &AgentActivity{LastActivity: ago(3 * time.Hour)}}}, run: true, again: in(9 * time.Minute)},
		"renewed by others":    {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},

		"silent agent":        {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Silent: true, Activity: &AgentActivity{LastActivity: ago(8 * time.Hour)}}}, run: true, state: Unknown},
		"not asked yet":       {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour)}}, run: true},
		"SSH does not answer": {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(9 * time.Hour)}}}, run: true},

		"hindered, just started":     {p: idle, f: Facts{Pod: startFailure(9 * time.Minute)}, run: true, again: in(time.Minute)},
		"hindered":                   {p: idle, f: Facts{Pod: startFailure(time.Hour), Lease: Lease{RenewTime: ago(time.Hour)}}, run: true, state: Idle, again: in(45 * time.Minute)},
		"hindered, nobody told":      {p: idle, f: Facts{Pod: startFailure(9 * time.Hour), Lease: Lease{RenewTime: ago(9 * time.Hour)}}, run: true, state: Idle, again: in(5*time.Minute - same)},
		"hindered for too long":      {p: idle, f: Facts{LastWarningAt: told, Pod: startFailure(2 * time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"hindered, agent silent":     {p: idle, f: Facts{LastWarningAt: told, Pod: &Pod{StartedAt: ago(2 * time.Hour), StartFailure: "CrashLoop", Silent: true}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"hindered, worked before":    {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), StartFailure: "CrashLoop", Silent: true, Activity: &AgentActivity{LastActivity: ago(30 * time.Minute)}}, Lease: Lease{RenewTime: ago(30 * time.Minute)}}, run: true, state: Idle, again: in(75 * time.Minute)},
		"hindered, answered before":  {p: idle, f: Facts{LastWarningAt: told, Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyUntil: ago(time.Minute), StartFailure: "CrashLoop"}}, run: true, again: in(9 * time.Minute)},
		"hindered, kept":             {p: idle, f: Facts{LastWarningAt: told, Pod: startFailure(3 * time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, state: Kept, again: in(45 * time.Minute)},
		"hindered, wokenAt":          {p: idle, f: Facts{LastWarningAt: told, Pod: startFailure(3 * time.Hour), Lease: Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},
		"hindered, a foreign Lease":  {p: idle, f: Facts{LastWarningAt: told, Pod: startFailure(3 * time.Hour), Lease: Lease{Foreign: true}}, run: true, state: Unknown},
		"hindered after hours":       {p: office, f: Facts{LastWarningAt: told, Pod: startFailure(3 * time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonScheduled},
		"kept":                       {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 6 * time.Hour}}, run: true, state: Kept, again: in(4*time.Hour + 45*time.Minute)},
		"kept until now":             {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept beyond bounds":         {p: Policy{IdleTimeout: 2 * time.Hour, MaxKeepAwake: time.Hour}, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 900 * time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"keep of the future":         {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{KeepAwakeFrom: in(3 * time.Hour), KeepAwakeFor: time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"keep by a clock ahead":      {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: in(100 * time.Minute), KeepAwakeFor: time.Hour}}, run: true, state: Kept, again: in(145 * time.Minute)},
		"negative keep":              {p: idle, f: Facts{LastWarningAt: told, Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{KeepAwakeFrom: ago(time.Minute), KeepAwakeFor: -time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept from within, long ago": {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(20 * time.Minute), Keep: "make"}}, Lease: Lease{RenewTime: ago(20 * time.Minute)}}, run: true, state: Idle, again: in(85 * time.Minute)},
		"kept from within":           {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(0), Keep: "make"}}, Lease: Lease{RenewTime: ago(0)}}, run: true, state: Kept, again: in(10 * time.Minute)},
		"work of the future":         {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: in(5 * time.Hour)}}, run: true, again: in(10 * time.Minute)},

		"time to live":              {p: ttl, f: Facts{Pod: pod(23*time.Hour+50*time.Minute, 0)}, run: true, again: in(5 * time.Minute)},
		"time to live over":         {p: ttl, f: Facts{LastWarningAt: told, Pod: pod(24*time.Hour, 0)}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"over, agent silent":        {p: ttl, f: Facts{LastWarningAt: told, Pod: &Pod{StartedAt: ago(25 * time.Hour), Silent: true}}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"over, kept":                {p: ttl, f: Facts{Pod: pod(25*time.Hour, 0), Lease: Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, again: in(45 * time.Minute)},
		"over, kept beyond bounds":  {p: Policy{TimeToLive: 24 * time.Hour, MaxTimeToLive: 25 * time.Hour}, f: Facts{LastWarningAt: told, Pod: pod(25*time.Hour, 0), Lease: Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"time to live over, delete": {p: Policy{TimeToLive: time.Hour, OnExpire: devv1.ExpireDelete}, f: Facts{LastWarningAt: told, Pod: pod(time.Hour, 0)}, run: true, act: ActDelete},

		"after hours, at work": {p: office, f: Facts{Pod: pod(3*time.Hour, time.Minute), Lease: Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},
		"after hours, idle":    {p: office, f: Facts{LastWarningAt: told, Pod: pod(3*time.Hour, 20*time.Minute)}, run: true, act: ActSuspend, cause: devv1.ReasonScheduled},
		"woken after hours":    {p: office, f: Facts{Pod: pod(30*time.Minute, 20*time.Minute), Lease: Lease{RenewTime: ago(20 * time.Minute)}}, run: true, state: Idle, again: in(22*time.Hour + 45*time.Minute)},
		"after hours, kept":    {p: office, f: Facts{Pod: pod(3*time.Hour, 20*time.Minute), Lease: Lease{RenewTime: ago(20 * time.Minute), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, state: Kept, again: in(45 * time.Minute)},

		"held back":                  {p: idle, f: Facts{HoldUntil: in(time.Minute)}, cause: devv1.ReasonEvicted, again: in(time.Minute)},
		"held back, clock set back":  {p: idle, f: Facts{HoldUntil: in(time.Hour)}, run: true},
		"held back no longer":        {p: idle, f: Facts{HoldUntil: noon}, run: true},
		"suspended":                  {f: Facts{Suspend: true, Pod: pod(time.Hour, 0)}, cause: devv1.ReasonSuspended},
		"suspended while asleep":     {f: Facts{Suspend: true, Lease: slept}, cause: devv1.ReasonSuspended, act: ActClearSuspension},
		"asleep":                     {p: idle, f: Facts{Lease: slept}, cause: devv1.ReasonIdle},
		"asleep without a policy":    {f: Facts{Lease: slept}, cause: devv1.ReasonIdle},
		"woken by a later renewal":   {p: idle, f: Facts{Lease: Lease{RenewTime: ago(0), Suspension: slept.Suspension}}, run: true, act: ActClearSuspension},
		"woken by an earlier clock":  {p: idle, f: Facts{Lease: Lease{RenewTime: ago(6 * time.Hour), Suspension: slept.Suspension}}, run: true, act: ActClearSuspension},
		"woken by its owner":         {p: idle, f: Facts{RestartedAt: ago(time.Hour), Lease: slept}, run: true, act: ActClearSuspension},
		"suspended and resumed":      {p: idle, f: Facts{Resumed: true, Lease: slept}, run: true, act: ActClearSuspension},
		"resumed, nearly stopped":    {p: idle, f: Facts{Resumed: true, LastWarningAt: told, Pod: pod(9*time.Hour, 2*time.Hour), Lease: Lease{RenewTime: ago(2 * time.Hour)}}, run: true, again: in(10 * time.Minute)},
		"expired, the same":          {p: ttl, f: Facts{Resumed: true, Expired: expired}, run: true},
		"resumed and suspended":      {p: idle, f: Facts{Resumed: true, Suspend: true, Lease: slept}, cause: devv1.ReasonSuspended, act: ActClearSuspension},
		"asleep, pod still there":    {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonIdle, ago(20*time.Second))}}, cause: devv1.ReasonIdle, again: in(10 * time.Second)},
		"marked, and never stopped":  {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonIdle, ago(30*time.Second))}}, run: true, act: ActClearSuspension},
		"marked in the future":       {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonIdle, in(time.Hour))}}, run: true, act: ActClearSuspension},
		"expired, pod still there":   {p: ttl, f: Facts{Pod: pod(30*time.Hour, 0), Expired: expired}, cause: devv1.ReasonExpired},
		"woken by a slow clock":      {p: idle, f: Facts{Pod: pod(9*time.Hour, 4*time.Hour), Lease: Lease{RenewTime: ago(3 * time.Hour), Suspension: mark(devv1.ReasonIdle, ago(time.Second))}}, run: true, act: ActClearSuspension},
		"marked a day ahead":         {p: noonDaily, f: Facts{Lease: Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonScheduled, in(8*time.Hour))}}, run: true, act: ActClearSuspension},
		"a day ahead, an old start":  {p: lunch, f: Facts{Lease: Lease{RenewTime: ago(5 * time.Hour), Suspension: mark(devv1.ReasonScheduled, in(8*time.Hour))}}, cause: devv1.ReasonScheduled, again: in(23*time.Hour + 30*time.Minute)},
		"asleep until the morning":   {p: office, f: Facts{Lease: slept}, cause: devv1.ReasonIdle, again: in(68 * time.Hour)},
		"woken by its schedule":      {p: lunch, f: Facts{Lease: Lease{RenewTime: ago(50 * time.Hour), Suspension: &Suspension{Cause: devv1.ReasonScheduled, At: ago(20 * time.Hour), RenewTime: ago(50 * time.Hour)}}}, run: true, act: ActClearSuspension},
		"not by a start long past":   {p: office, f: Facts{Lease: Lease{RenewTime: ago(50 * time.Hour), Suspension: &Suspension{Cause: devv1.ReasonScheduled, At: ago(20 * time.Hour), RenewTime: ago(50 * time.Hour)}}}, cause: devv1.ReasonScheduled, again: in(68 * time.Hour)},
		"expired":                    {p: ttl, f: Facts{Expired: expired}, cause: devv1.ReasonExpired},
		"expired, renewed":           {p: ttl, f: Facts{Lease: Lease{RenewTime: ago(0)}, Expired: expired}, cause: devv1.ReasonExpired},
		"expired, restarted":         {p: ttl, f: Facts{RestartedAt: ago(0), Expired: expired}, run: true},
		"expired after that restart": {p: ttl, f: Facts{RestartedAt: in(900 * time.Hour), Expired: &Expiry{RestartedAt: in(900 * time.Hour)}}, cause: devv1.ReasonExpired},
		"too long, nobody told":      {p: Policy{DeleteAfter: time.Hour}, f: Facts{Lease: slept, SuspendedAt: ago(9 * time.Hour)}, cause: devv1.ReasonIdle, again: in(time.Hour)},
		"too long, told of later":    {p: Policy{DeleteAfter: time.Hour}, f: Facts{Lease: slept, SuspendedAt: ago(9 * time.Hour), DeletesAt: in(30 * time.Minute)}, cause: devv1.ReasonIdle, again: in(30 * time.Minute)},
		"asleep for too long":        {p: Policy{DeleteAfter: time.Hour}, f: Facts{DeletesAt: ago(time.Minute), Lease: slept, SuspendedAt: ago(time.Hour)}, cause: devv1.ReasonIdle, act: ActDelete},
		"suspended for too long":     {p: Policy{DeleteAfter: time.Hour}, f: Facts{DeletesAt: ago(time.Minute), Suspend: true, SuspendedAt: ago(2 * time.Hour)}, cause: devv1.ReasonSuspended, act: ActDelete},
		"just asleep, to be deleted": {p: Policy{DeleteAfter: 9 * time.Hour}, f: Facts{Gone: true, Lease: slept}, cause: devv1.ReasonIdle, again: in(9 * time.Hour)},
		"asleep, to be deleted":      {p: Policy{DeleteAfter: 9 * time.Hour}, f: Facts{Lease: slept, SuspendedAt: ago(time.Hour)}, cause: devv1.ReasonIdle, again: in(8 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(test.p, test.f, noon)
			if got.Run != test.run || got.Act != test.act || got.Cause != test.cause {
				t.Errorf("run %t, act %d, cause %s; want %t, %d, %s", got.Run, got.Act, got.Cause, test.run, test.act, test.cause)
			}
			if got.Activity != nil && got.Activity.State != test.state {
				t.Errorf("the state is %d, want %d", got.Activity.State, test.state)
			}
			if got.Act == ActNone && got.Activity != nil && got.Activity.State == Working && test.f.Pod.StartFailure != "" {
				t.Errorf("a box that cannot run is said to be at work: %s", got.Sentence())
			}
			if !got.RequeueAt.Equal(test.again) && test.act == ActNone {
				t.Errorf("looks again at %s, want %s", got.RequeueAt, test.again)
			}
		})
	}
}

// A box is renewed where somebody looks for its last work.
func TestRenew(t *testing.T) {
	p := Policy{IdleTimeout: time.Hour}
	for name, test := range map[string]struct {
		renewed, want time.Time
	}{
		"no Lease yet":          {time.Time{}, ago(time.Minute)},
		"renewed a moment ago":  {ago(3 * time.Minute), time.Time{}},
		"renewed long ago":      {ago(6 * time.Minute), ago(time.Minute)},
		"the last work":         {ago(5 * time.Minute), ago(time.Minute)},
		"as written":            {ago(time.Minute).Truncate(time.Microsecond), time.Time{}},
		"renewed in the future": {in(time.Hour), noon},
		"clocks differ a bit":   {in(10 * time.Second), time.Time{}},
	} {
		got := Decide(p, Facts{Pod: pod(5*time.Hour, time.Minute), Lease: Lease{RenewTime: test.renewed}}, noon)
		if !got.Renew.Equal(test.want) {
			t.Errorf("%s: renews to %s, want %s", name, got.Renew, test.want)
		}
	}
}

// A pass later, nothing tells any more that its owner resumed the box.
func TestResumingIsNotedAtOnce(t *testing.T) {
	f := Facts{Resumed: true, Pod: pod(5*time.Hour, time.Hour), Lease: Lease{RenewTime: ago(time.Minute)}}
	if got := Decide(Policy{IdleTimeout: time.Hour}, f, noon).Renew; !got.Equal(noon) {
		t.Errorf("renews to %s, want %s", got, noon)
	}
}

// A monotonic reading, which Go prefers where two times have one, knows nothing
// of a clock that was set.
func TestDecidesByTheClockOnTheWall(t *testing.T) {
	now := time.Now()
	worked := now.Add(-time.Hour)
	f := Facts{Resumed: true, Pod: &Pod{StartedAt: worked, ReadyAt: worked, Activity: &AgentActivity{LastActivity: worked}}}
	d := Decide(Policy{IdleTimeout: time.Hour}, f, now)
	for name, at := range map[string]time.Time{"last work": d.Activity.Last, "renewal": d.Renew, "next look": d.RequeueAt} {
		if at != at.Round(0) {
			t.Errorf("the %s has a monotonic reading: %s", name, at)
		}
	}
}

// A box that only has a time to live needs a Lease too, for people to keep it
// by. It is made once, and then left alone.
func TestRenewWithATimeToLiveOnly(t *testing.T) {
	p := Policy{TimeToLive: 24 * time.Hour}
	if got := Decide(p, Facts{Pod: pod(5*time.Hour, time.Minute)}, noon).Renew; !got.Equal(ago(5 * time.Hour)) {
		t.Errorf("the Lease is made with %s, want when SSH answered first", got)
	}
	for name, f := range map[string]Facts{
		"not Ready yet": {Pod: &Pod{StartedAt: ago(time.Minute)}},
		"long ago":      {Pod: pod(5*time.Hour, time.Minute), Lease: Lease{RenewTime: ago(5 * time.Hour)}},
	} {
		if got := Decide(p, f, noon).Renew; !got.IsZero() {
			t.Errorf("%s: the Lease is renewed to %s", name, got)
		}
	}
	if got := Decide(Policy{}, Facts{Pod: pod(5*time.Hour, time.Minute)}, noon).Renew; !got.IsZero() {
		t.Errorf("a box that nothing stops gets a Lease: %s", got)
	}
}

// An operator that was started anew reckons the last work a little differently
// than the Lease has it. No time that people were told moves for that.
func TestLastWorkIsSteadyAcrossOperators(t *testing.T) {
	p := Policy{IdleTimeout: 2 * time.Hour}
	stop := func(said time.Duration) time.Time {
		return Decide(p, Facts{Pod: pod(9*time.Hour, said), Lease: Lease{RenewTime: ago(time.Hour)}}, noon).SuspendsAt
	}
	for _, said := range []time.Duration{time.Hour, time.Hour - same, time.Hour - time.Second/2, time.Hour + same} {
		if got := stop(said); !got.Equal(in(time.Hour)) {
			t.Errorf("by an answer of %s ago: suspends at %s, want %s", said, got, in(time.Hour))
		}
	}
	if later := time.Hour - same - time.Second; !stop(later).Equal(ago(later).Add(2 * time.Hour)) {
		t.Error("work after the renewal does not count")
	}
}

func TestWarnings(t *testing.T) {
	idle := func(timeout time.Duration) Policy { return Policy{IdleTimeout: timeout} }
	for name, test := range map[string]struct {
		p      Policy
		worked time.Duration
		want   *Warning
	}{
		"long before":          {idle(2 * time.Hour), time.Hour, nil},
		"fifteen minutes":      {idle(2 * time.Hour), 105 * time.Minute, &Warning{At: in(15 * time.Minute), Cause: devv1.ReasonIdle}},
		"six minutes":          {idle(2 * time.Hour), 114 * time.Minute, &Warning{At: in(6 * time.Minute), Cause: devv1.ReasonIdle}},
		"five minutes":         {idle(2 * time.Hour), 115 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"short, before":        {idle(20 * time.Minute), 14 * time.Minute, nil},
		"short, five minutes":  {idle(20 * time.Minute), 15 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"shorter, half":        {idle(4 * time.Minute), 2 * time.Minute, &Warning{At: in(2 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"expiry":               {Policy{TimeToLive: 10*time.Hour + 10*time.Minute}, 0, &Warning{At: in(10 * time.Minute), Cause: devv1.ReasonExpired}},
		"expiry before idling": {Policy{TimeToLive: 10*time.Hour + 5*time.Minute, IdleTimeout: 2 * time.Hour}, 114 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonExpired, Last: true}},
	} {
		got := Decide(test.p, Facts{Pod: pod(10*time.Hour, test.worked)}, noon)
		if diff := cmp.Diff(test.want, got.Warning); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// An idle box whose last work is not on its Lease yet is not looked at over and
// over.
func TestLooksAgainLater(t *testing.T) {
	p := Policy{IdleTimeout: 2 * time.Hour}
	got := Decide(p, Facts{Pod: pod(9*time.Hour, 15*time.Minute), Lease: Lease{RenewTime: ago(18 * time.Minute)}}, noon)
	if got.Renew != ago(15*time.Minute) || !got.RequeueAt.Equal(in(90*time.Minute)) {
		t.Errorf("renews to %s and looks again at %s", got.Renew, got.RequeueAt)
	}
}

// A terminal is told a sentence once: two warnings are two sentences.
func TestWarningsDiffer(t *testing.T) {
	for _, w := range []Warning{{Cause: devv1.ReasonIdle}, {Cause: devv1.ReasonIdle, StartFailure: "CrashLoop"}, {Cause: devv1.ReasonExpired}, {Cause: devv1.ReasonExpired, Delete: true}} {
		last := w
		last.Last = true
		if w.Sentence() == last.Sentence() {
			t.Errorf("both are %q", w.Sentence())
		}
	}
}

func TestMarkSurvivesTheAPI(t *testing.T) {
	f := Facts{RestartedAt: ago(time.Hour), Lease: Lease{RenewTime: ago(time.Minute).Add(123456789)}}
	m := SuspensionOf(devv1.ReasonIdle, f, noon)
	read := ParseSuspension(m.Text())
	if read == nil || !read.holds(Policy{}, f, noon) {
		t.Fatalf("%s is read as %+v, and does not hold", m.Text(), read)
	}
	// As the API server gives it back.
	f.Lease.RenewTime = metav1.NewMicroTime(f.Lease.RenewTime.Truncate(time.Microsecond)).Time
	if !read.holds(Policy{}, f, noon) {
		t.Error("a rounded time wakes the box")
	}
	for _, text := range []string{"", "{", "{}", `{"cause":1}`, "Idle"} {
		if m := ParseSuspension(text); m != nil {
			t.Errorf("%q is read as %+v", text, m)
		}
	}
}
