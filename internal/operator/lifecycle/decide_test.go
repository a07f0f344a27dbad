package lifecycle

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// noon is a Friday.
var noon = time.Date(2026, time.January, 30, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }
func in(d time.Duration) time.Time  { return noon.Add(d) }

// pod is a pod that was started and Ready that long ago, and whose agent reported
// the last activity.
func pod(started, active time.Duration) *Pod {
	return &Pod{StartedAt: ago(started), ReadyAt: ago(started), Activity: &AgentActivity{LastActivity: ago(active)}}
}

// failing is a pod that was started that long ago, and whose container cannot run.
func failing(started time.Duration) *Pod {
	return &Pod{StartedAt: ago(started), StartFailure: devv1.ReasonImagePullFailed}
}

// timetable is a parsed schedule.
func timetable(t testing.TB, s devv1.Schedule) policy.Timetable {
	t.Helper()
	d := devv1.DevServer{Spec: devv1.DevServerSpec{Lifecycle: &devv1.LifecycleSpec{Schedule: &s}}}
	p, violation := policy.Resolve(&d, nil, policy.Defaults{})
	if violation != nil {
		t.Fatal(violation.Message)
	}
	return p.Schedule
}

func TestDecide(t *testing.T) {
	idle := policy.Policy{IdleTimeout: 2 * time.Hour}
	ttl := policy.Policy{TimeToLive: 24 * time.Hour, OnExpire: devv1.ExpireSuspend}
	office := policy.Policy{Schedule: timetable(t, devv1.Schedule{Start: "0 8 * * 1-5", Stop: "0 11 * * *"})}
	suspension := func(cause string, at time.Time) *lease.Suspension {
		return &lease.Suspension{Cause: cause, At: at, RenewTime: ago(5 * time.Hour)}
	}
	idleLease := lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonIdle, ago(3*time.Hour))}
	expired := &Expiry{}
	// The last warning was given long ago.
	warned := ago(10 * time.Hour)
	noonDaily := policy.Policy{Schedule: timetable(t, devv1.Schedule{Start: "0 12 * * *"})}
	lunch := policy.Policy{Schedule: timetable(t, devv1.Schedule{Start: "30 11 * * *"})}
	for name, test := range map[string]struct {
		p     policy.Policy
		f     Facts
		run   bool
		act   Act
		cause string
		state State
		again time.Time
	}{
		"no limits": {f: Facts{Pod: pod(9000*time.Hour, 9000*time.Hour)}, run: true},
		"starting":  {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(5 * time.Hour)}}, run: true},
		"no pod":    {p: idle, run: true},

		"active":               {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: ago(2 * time.Minute)}}, run: true, again: in(3 * time.Minute)},
		"a pause":              {p: idle, f: Facts{Pod: pod(9*time.Hour, 9*time.Minute), Lease: lease.Lease{RenewTime: ago(9 * time.Minute)}}, run: true, again: in(time.Minute)},
		"idle":                 {p: idle, f: Facts{Pod: pod(9*time.Hour, 10*time.Minute), Lease: lease.Lease{RenewTime: ago(10 * time.Minute)}}, run: true, state: Idle, again: in(95 * time.Minute)},
		"idle for too long":    {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 2*time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"overdue, not warned":  {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour)}}, run: true, state: Idle, again: in(5*time.Minute - tolerance)},
		"overdue, just warned": {p: idle, f: Facts{LastWarningAt: ago(time.Minute), Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour)}}, run: true, state: Idle, again: in(4*time.Minute - tolerance)},
		"overdue, warned":      {p: idle, f: Facts{LastWarningAt: ago(5 * time.Minute), Pod: pod(9*time.Hour, 3*time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"expired, not warned":  {p: ttl, f: Facts{Pod: pod(90*time.Hour, 0)}, run: true, again: in(5*time.Minute - tolerance)},
		"an outdated agent":    {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), AgentOutdated: true}}, run: true, state: Unknown},
		"a foreign Lease":      {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), ForeignLease: true}, run: true, state: Unknown},
		"just started":         {p: idle, f: Facts{Pod: pod(time.Minute, time.Minute), Lease: lease.Lease{RenewTime: ago(50 * time.Hour)}}, run: true, again: in(9 * time.Minute)},
		"slow to start":        {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(3 * time.Hour), ReadyAt: ago(time.Minute), Activity: &AgentActivity{LastActivity: ago(3 * time.Hour)}}}, run: true, again: in(9 * time.Minute)},
		"renewed by others":    {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},

		"unreachable agent":   {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), AgentUnreachable: true, Activity: &AgentActivity{LastActivity: ago(8 * time.Hour)}}}, run: true, state: Unknown},
		"not polled yet":      {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour)}}, run: true},
		"SSH does not answer": {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(9 * time.Hour)}}}, run: true},

		"cannot run, just started":          {p: idle, f: Facts{Pod: failing(9 * time.Minute)}, run: true, again: in(time.Minute)},
		"cannot run":                        {p: idle, f: Facts{Pod: failing(time.Hour), Lease: lease.Lease{RenewTime: ago(time.Hour)}}, run: true, state: Idle, again: in(45 * time.Minute)},
		"cannot run, not warned":            {p: idle, f: Facts{Pod: failing(9 * time.Hour), Lease: lease.Lease{RenewTime: ago(9 * time.Hour)}}, run: true, state: Idle, again: in(5*time.Minute - tolerance)},
		"cannot run for too long":           {p: idle, f: Facts{LastWarningAt: warned, Pod: failing(2 * time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"cannot run, no agent":              {p: idle, f: Facts{LastWarningAt: warned, Pod: &Pod{StartedAt: ago(2 * time.Hour), StartFailure: "CrashLoop", AgentUnreachable: true}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"cannot run, active before":         {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), StartFailure: "CrashLoop", AgentUnreachable: true, Activity: &AgentActivity{LastActivity: ago(30 * time.Minute)}}, Lease: lease.Lease{RenewTime: ago(30 * time.Minute)}}, run: true, state: Idle, again: in(75 * time.Minute)},
		"cannot run, Ready before":          {p: idle, f: Facts{LastWarningAt: warned, Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyUntil: ago(time.Minute), StartFailure: "CrashLoop"}}, run: true, again: in(9 * time.Minute)},
		"cannot run, kept awake":            {p: idle, f: Facts{LastWarningAt: warned, Pod: failing(3 * time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, state: KeptAwake, again: in(45 * time.Minute)},
		"cannot run, renewed":               {p: idle, f: Facts{LastWarningAt: warned, Pod: failing(3 * time.Hour), Lease: lease.Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},
		"cannot run, foreign Lease":         {p: idle, f: Facts{LastWarningAt: warned, Pod: failing(3 * time.Hour), ForeignLease: true}, run: true, state: Unknown},
		"cannot run after hours":            {p: office, f: Facts{LastWarningAt: warned, Pod: failing(3 * time.Hour)}, run: true, act: ActSuspend, cause: devv1.ReasonScheduled},
		"kept awake":                        {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 6 * time.Hour}}, run: true, state: KeptAwake, again: in(4*time.Hour + 45*time.Minute)},
		"kept awake until now":              {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept awake beyond the bound":       {p: policy.Policy{IdleTimeout: 2 * time.Hour, MaxKeepAwake: time.Hour}, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 900 * time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept awake from the future":        {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{KeepAwakeFrom: in(3 * time.Hour), KeepAwakeFor: time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept awake by a clock ahead":       {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour), KeepAwakeFrom: in(100 * time.Minute), KeepAwakeFor: time.Hour}}, run: true, state: KeptAwake, again: in(145 * time.Minute)},
		"kept awake for a negative time":    {p: idle, f: Facts{LastWarningAt: warned, Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{KeepAwakeFrom: ago(time.Minute), KeepAwakeFor: -time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonIdle},
		"kept awake by a process, long ago": {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(20 * time.Minute), KeptAwakeBy: "make"}}, Lease: lease.Lease{RenewTime: ago(20 * time.Minute)}}, run: true, state: Idle, again: in(85 * time.Minute)},
		"kept awake by a process":           {p: idle, f: Facts{Pod: &Pod{StartedAt: ago(9 * time.Hour), ReadyAt: ago(9 * time.Hour), Activity: &AgentActivity{LastActivity: ago(0), KeptAwakeBy: "make"}}, Lease: lease.Lease{RenewTime: ago(0)}}, run: true, state: KeptAwake, again: in(10 * time.Minute)},
		"activity in the future":            {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: in(5 * time.Hour)}}, run: true, again: in(10 * time.Minute)},

		"time to live":                      {p: ttl, f: Facts{Pod: pod(23*time.Hour+50*time.Minute, 0)}, run: true, again: in(5 * time.Minute)},
		"time to live over":                 {p: ttl, f: Facts{LastWarningAt: warned, Pod: pod(24*time.Hour, 0)}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"over, unreachable agent":           {p: ttl, f: Facts{LastWarningAt: warned, Pod: &Pod{StartedAt: ago(25 * time.Hour), AgentUnreachable: true}}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"over, kept awake":                  {p: ttl, f: Facts{Pod: pod(25*time.Hour, 0), Lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, again: in(45 * time.Minute)},
		"over, kept awake beyond the bound": {p: policy.Policy{TimeToLive: 24 * time.Hour, MaxTimeToLive: 25 * time.Hour}, f: Facts{LastWarningAt: warned, Pod: pod(25*time.Hour, 0), Lease: lease.Lease{KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, act: ActSuspend, cause: devv1.ReasonExpired},
		"time to live over, delete":         {p: policy.Policy{TimeToLive: time.Hour, OnExpire: devv1.ExpireDelete}, f: Facts{LastWarningAt: warned, Pod: pod(time.Hour, 0)}, run: true, act: ActDelete},

		"after hours, active":     {p: office, f: Facts{Pod: pod(3*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: ago(time.Minute)}}, run: true, again: in(9 * time.Minute)},
		"after hours, idle":       {p: office, f: Facts{LastWarningAt: warned, Pod: pod(3*time.Hour, 20*time.Minute)}, run: true, act: ActSuspend, cause: devv1.ReasonScheduled},
		"renewed after hours":     {p: office, f: Facts{Pod: pod(30*time.Minute, 20*time.Minute), Lease: lease.Lease{RenewTime: ago(20 * time.Minute)}}, run: true, state: Idle, again: in(22*time.Hour + 45*time.Minute)},
		"after hours, kept awake": {p: office, f: Facts{Pod: pod(3*time.Hour, 20*time.Minute), Lease: lease.Lease{RenewTime: ago(20 * time.Minute), KeepAwakeFrom: ago(time.Hour), KeepAwakeFor: 2 * time.Hour}}, run: true, state: KeptAwake, again: in(45 * time.Minute)},

		"held back":                                   {p: idle, f: Facts{HoldUntil: in(time.Minute)}, cause: devv1.ReasonEvicted, again: in(time.Minute)},
		"held back, clock set back":                   {p: idle, f: Facts{HoldUntil: in(time.Hour)}, run: true},
		"held back no longer":                         {p: idle, f: Facts{HoldUntil: noon}, run: true},
		"suspended by its owner":                      {f: Facts{Suspend: true, Pod: pod(time.Hour, 0)}, cause: devv1.ReasonSuspended},
		"suspended while idle":                        {f: Facts{Suspend: true, Lease: idleLease}, cause: devv1.ReasonSuspended, act: ActClearSuspension},
		"idle, suspended":                             {p: idle, f: Facts{Lease: idleLease}, cause: devv1.ReasonIdle},
		"idle, without a timeout now":                 {f: Facts{Lease: idleLease}, cause: devv1.ReasonIdle},
		"resumed by a later renewal":                  {p: idle, f: Facts{Lease: lease.Lease{RenewTime: ago(0), Suspension: idleLease.Suspension}}, run: true, act: ActClearSuspension},
		"resumed by an earlier clock":                 {p: idle, f: Facts{Lease: lease.Lease{RenewTime: ago(6 * time.Hour), Suspension: idleLease.Suspension}}, run: true, act: ActClearSuspension},
		"restarted by its owner":                      {p: idle, f: Facts{RestartedAt: ago(time.Hour), Lease: idleLease}, run: true, act: ActClearSuspension},
		"suspended and resumed":                       {p: idle, f: Facts{Resumed: true, Lease: idleLease}, run: true, act: ActClearSuspension},
		"resumed, nearly stopped":                     {p: idle, f: Facts{Resumed: true, LastWarningAt: warned, Pod: pod(9*time.Hour, 2*time.Hour), Lease: lease.Lease{RenewTime: ago(2 * time.Hour)}}, run: true, again: in(10 * time.Minute)},
		"expired, the same":                           {p: ttl, f: Facts{Resumed: true, Expired: expired}, run: true},
		"resumed and suspended":                       {p: idle, f: Facts{Resumed: true, Suspend: true, Lease: idleLease}, cause: devv1.ReasonSuspended, act: ActClearSuspension},
		"idle, pod still exists":                      {p: idle, f: Facts{Pod: pod(9*time.Hour, 3*time.Hour), Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonIdle, ago(20*time.Second))}}, cause: devv1.ReasonIdle, again: in(10 * time.Second)},
		"recorded, and never stopped":                 {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonIdle, ago(30*time.Second))}}, run: true, act: ActClearSuspension},
		"recorded in the future":                      {p: idle, f: Facts{Pod: pod(9*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonIdle, in(time.Hour))}}, run: true, act: ActClearSuspension},
		"expired, pod still exists":                   {p: ttl, f: Facts{Pod: pod(30*time.Hour, 0), Expired: expired}, cause: devv1.ReasonExpired},
		"resumed by a slow clock":                     {p: idle, f: Facts{Pod: pod(9*time.Hour, 4*time.Hour), Lease: lease.Lease{RenewTime: ago(3 * time.Hour), Suspension: suspension(devv1.ReasonIdle, ago(time.Second))}}, run: true, act: ActClearSuspension},
		"recorded a day ahead":                        {p: noonDaily, f: Facts{Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonScheduled, in(8*time.Hour))}}, run: true, act: ActClearSuspension},
		"a day ahead, an old start":                   {p: lunch, f: Facts{Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension(devv1.ReasonScheduled, in(8*time.Hour))}}, cause: devv1.ReasonScheduled, again: in(23*time.Hour + 30*time.Minute)},
		"suspended until the morning":                 {p: office, f: Facts{Lease: idleLease}, cause: devv1.ReasonIdle, again: in(68 * time.Hour)},
		"resumed by its schedule":                     {p: lunch, f: Facts{Lease: lease.Lease{RenewTime: ago(50 * time.Hour), Suspension: &lease.Suspension{Cause: devv1.ReasonScheduled, At: ago(20 * time.Hour), RenewTime: ago(50 * time.Hour)}}}, run: true, act: ActClearSuspension},
		"not resumed by a start long past":            {p: office, f: Facts{Lease: lease.Lease{RenewTime: ago(50 * time.Hour), Suspension: &lease.Suspension{Cause: devv1.ReasonScheduled, At: ago(20 * time.Hour), RenewTime: ago(50 * time.Hour)}}}, cause: devv1.ReasonScheduled, again: in(68 * time.Hour)},
		"expired":                                     {p: ttl, f: Facts{Expired: expired}, cause: devv1.ReasonExpired},
		"expired, renewed":                            {p: ttl, f: Facts{Lease: lease.Lease{RenewTime: ago(0)}, Expired: expired}, cause: devv1.ReasonExpired},
		"expired, restarted":                          {p: ttl, f: Facts{RestartedAt: ago(0), Expired: expired}, run: true},
		"expired after that restart":                  {p: ttl, f: Facts{RestartedAt: in(900 * time.Hour), Expired: &Expiry{RestartedAt: in(900 * time.Hour)}}, cause: devv1.ReasonExpired},
		"suspended for too long, not announced":       {p: policy.Policy{DeleteAfter: time.Hour}, f: Facts{Lease: idleLease, SuspendedAt: ago(9 * time.Hour)}, cause: devv1.ReasonIdle, again: in(time.Hour)},
		"suspended for too long, announced for later": {p: policy.Policy{DeleteAfter: time.Hour}, f: Facts{Lease: idleLease, SuspendedAt: ago(9 * time.Hour), DeletesAt: in(30 * time.Minute)}, cause: devv1.ReasonIdle, again: in(30 * time.Minute)},
		"idle for too long, deleted":                  {p: policy.Policy{DeleteAfter: time.Hour}, f: Facts{DeletesAt: ago(time.Minute), Lease: idleLease, SuspendedAt: ago(time.Hour)}, cause: devv1.ReasonIdle, act: ActDelete},
		"suspended by its owner for too long":         {p: policy.Policy{DeleteAfter: time.Hour}, f: Facts{DeletesAt: ago(time.Minute), Suspend: true, SuspendedAt: ago(2 * time.Hour)}, cause: devv1.ReasonSuspended, act: ActDelete},
		"just suspended, deletion later":              {p: policy.Policy{DeleteAfter: 9 * time.Hour}, f: Facts{NoPod: true, Lease: idleLease}, cause: devv1.ReasonIdle, again: in(9 * time.Hour)},
		"suspended, deletion later":                   {p: policy.Policy{DeleteAfter: 9 * time.Hour}, f: Facts{Lease: idleLease, SuspendedAt: ago(time.Hour)}, cause: devv1.ReasonIdle, again: in(8 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			got := Decide(test.p, test.f, noon)
			if got.Run != test.run || got.Act != test.act || got.Cause != test.cause {
				t.Errorf("run %t, act %d, cause %s; want %t, %d, %s", got.Run, got.Act, got.Cause, test.run, test.act, test.cause)
			}
			if got.Activity != nil && got.Activity.State != test.state {
				t.Errorf("the state is %d, want %d", got.Activity.State, test.state)
			}
			if got.Act == ActNone && got.Activity != nil && got.Activity.State == Active && test.f.Pod.StartFailure != "" {
				t.Errorf("a server that cannot run is reported as active: %s", got.Sentence())
			}
			if !got.RequeueAt.Equal(test.again) && test.act == ActNone {
				t.Errorf("decides again at %s, want %s", got.RequeueAt, test.again)
			}
		})
	}
}

// The Lease is renewed to the last activity.
func TestRenew(t *testing.T) {
	p := policy.Policy{IdleTimeout: time.Hour}
	for name, test := range map[string]struct {
		renewed, want time.Time
	}{
		"no Lease yet":          {time.Time{}, ago(time.Minute)},
		"renewed a moment ago":  {ago(3 * time.Minute), time.Time{}},
		"renewed long ago":      {ago(6 * time.Minute), ago(time.Minute)},
		"the last activity":     {ago(5 * time.Minute), ago(time.Minute)},
		"as written":            {ago(time.Minute).Truncate(time.Microsecond), time.Time{}},
		"renewed in the future": {in(time.Hour), noon},
		"clocks differ a bit":   {in(10 * time.Second), time.Time{}},
	} {
		got := Decide(p, Facts{Pod: pod(5*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: test.renewed}}, noon)
		if !got.Renew.Equal(test.want) {
			t.Errorf("%s: renews to %s, want %s", name, got.Renew, test.want)
		}
	}
}

// One pass later, nothing shows any more that the owner resumed the server.
func TestResumingIsRecordedAtOnce(t *testing.T) {
	f := Facts{Resumed: true, Pod: pod(5*time.Hour, time.Hour), Lease: lease.Lease{RenewTime: ago(time.Minute)}}
	if got := Decide(policy.Policy{IdleTimeout: time.Hour}, f, noon).Renew; !got.Equal(noon) {
		t.Errorf("renews to %s, want %s", got, noon)
	}
}

// If two times have a monotonic reading, Go compares that, which does not change
// when the clock is set.
func TestDecidesByWallClock(t *testing.T) {
	now := time.Now()
	active := now.Add(-time.Hour)
	f := Facts{Resumed: true, Pod: &Pod{StartedAt: active, ReadyAt: active, Activity: &AgentActivity{LastActivity: active}}}
	d := Decide(policy.Policy{IdleTimeout: time.Hour}, f, now)
	for name, at := range map[string]time.Time{"last activity": d.Activity.Last, "renewal": d.Renew, "next decision": d.RequeueAt} {
		if at != at.Round(0) {
			t.Errorf("the %s has a monotonic reading: %s", name, at)
		}
	}
}

// A server that only has a time to live needs a Lease too, so that it can be kept
// awake. The Lease is created once, and not renewed.
func TestRenewWithATimeToLiveOnly(t *testing.T) {
	p := policy.Policy{TimeToLive: 24 * time.Hour}
	if got := Decide(p, Facts{Pod: pod(5*time.Hour, time.Minute)}, noon).Renew; !got.Equal(ago(5 * time.Hour)) {
		t.Errorf("the Lease is created with %s, want the time from which SSH answered", got)
	}
	for name, f := range map[string]Facts{
		"not Ready yet": {Pod: &Pod{StartedAt: ago(time.Minute)}},
		"long ago":      {Pod: pod(5*time.Hour, time.Minute), Lease: lease.Lease{RenewTime: ago(5 * time.Hour)}},
	} {
		if got := Decide(p, f, noon).Renew; !got.IsZero() {
			t.Errorf("%s: the Lease is renewed to %s", name, got)
		}
	}
	if got := Decide(policy.Policy{}, Facts{Pod: pod(5*time.Hour, time.Minute)}, noon).Renew; !got.IsZero() {
		t.Errorf("a server without limits gets a Lease: %s", got)
	}
}

// An operator that was restarted computes a last activity that differs a little
// from the Lease's. No announced time changes for that.
func TestLastActivityIsSteadyAcrossOperators(t *testing.T) {
	p := policy.Policy{IdleTimeout: 2 * time.Hour}
	stop := func(reported time.Duration) time.Time {
		return Decide(p, Facts{Pod: pod(9*time.Hour, reported), Lease: lease.Lease{RenewTime: ago(time.Hour)}}, noon).SuspendsAt
	}
	for _, reported := range []time.Duration{time.Hour, time.Hour - tolerance, time.Hour - time.Second/2, time.Hour + tolerance} {
		if got := stop(reported); !got.Equal(in(time.Hour)) {
			t.Errorf("activity reported %s ago: suspends at %s, want %s", reported, got, in(time.Hour))
		}
	}
	if later := time.Hour - tolerance - time.Second; !stop(later).Equal(ago(later).Add(2 * time.Hour)) {
		t.Error("activity after the renewal does not count")
	}
}

func TestWarnings(t *testing.T) {
	idle := func(timeout time.Duration) policy.Policy { return policy.Policy{IdleTimeout: timeout} }
	for name, test := range map[string]struct {
		p      policy.Policy
		active time.Duration
		want   *Warning
	}{
		"long before":             {idle(2 * time.Hour), time.Hour, nil},
		"fifteen minutes":         {idle(2 * time.Hour), 105 * time.Minute, &Warning{At: in(15 * time.Minute), Cause: devv1.ReasonIdle}},
		"six minutes":             {idle(2 * time.Hour), 114 * time.Minute, &Warning{At: in(6 * time.Minute), Cause: devv1.ReasonIdle}},
		"five minutes":            {idle(2 * time.Hour), 115 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"short, before":           {idle(20 * time.Minute), 14 * time.Minute, nil},
		"short, five minutes":     {idle(20 * time.Minute), 15 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"shorter, half":           {idle(4 * time.Minute), 2 * time.Minute, &Warning{At: in(2 * time.Minute), Cause: devv1.ReasonIdle, Last: true}},
		"expiry":                  {policy.Policy{TimeToLive: 10*time.Hour + 10*time.Minute}, 0, &Warning{At: in(10 * time.Minute), Cause: devv1.ReasonExpired}},
		"expiry before idle stop": {policy.Policy{TimeToLive: 10*time.Hour + 5*time.Minute, IdleTimeout: 2 * time.Hour}, 114 * time.Minute, &Warning{At: in(5 * time.Minute), Cause: devv1.ReasonExpired, Last: true}},
	} {
		got := Decide(test.p, Facts{Pod: pod(10*time.Hour, test.active)}, noon)
		if diff := cmp.Diff(test.want, got.Warning); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// An idle server whose last activity is not on its Lease yet is not decided about
// over and over.
func TestDecidesAgainLater(t *testing.T) {
	p := policy.Policy{IdleTimeout: 2 * time.Hour}
	got := Decide(p, Facts{Pod: pod(9*time.Hour, 15*time.Minute), Lease: lease.Lease{RenewTime: ago(18 * time.Minute)}}, noon)
	if got.Renew != ago(15*time.Minute) || !got.RequeueAt.Equal(in(90*time.Minute)) {
		t.Errorf("renews to %s and decides again at %s", got.Renew, got.RequeueAt)
	}
}

// A terminal shows each sentence once, so two warnings are two sentences.
func TestWarningsDiffer(t *testing.T) {
	for _, w := range []Warning{{Cause: devv1.ReasonIdle}, {Cause: devv1.ReasonIdle, StartFailure: "CrashLoop"}, {Cause: devv1.ReasonExpired}, {Cause: devv1.ReasonExpired, Delete: true}} {
		last := w
		last.Last = true
		if w.Sentence() == last.Sentence() {
			t.Errorf("both are %q", w.Sentence())
		}
	}
}

// A suspension that was written to a Lease and read back is still in force.
func TestSuspensionSurvivesTheAPI(t *testing.T) {
	f := Facts{RestartedAt: ago(time.Hour), Lease: lease.Lease{RenewTime: ago(time.Minute).Add(123456789)}}
	written := SuspensionOf(devv1.ReasonIdle, f, noon)
	read := lease.ParseSuspension(written.Text())
	if read == nil || !keepsSuspended(read, policy.Policy{}, f, noon) {
		t.Fatalf("%s is read as %+v, and is not in force", written.Text(), read)
	}
	// As the API server returns it.
	f.Lease.RenewTime = metav1.NewMicroTime(f.Lease.RenewTime.Truncate(time.Microsecond)).Time
	if !keepsSuspended(read, policy.Policy{}, f, noon) {
		t.Error("a rounded time wakes the server")
	}
}

// An edit between two passes does not wake a server that is suspended for being
// idle. A later restartedAt, a renewed Lease, and a resume that a pass has seen do.
func TestOnlyDeliberateChangesWake(t *testing.T) {
	suspension := &lease.Suspension{Cause: devv1.ReasonIdle, At: ago(time.Hour), RenewTime: ago(5 * time.Hour), RestartedAt: ago(9 * time.Hour)}
	idle := Facts{RestartedAt: ago(9 * time.Hour), Lease: lease.Lease{RenewTime: ago(5 * time.Hour), Suspension: suspension}}
	for name, test := range map[string]struct {
		change func(*Facts)
		run    bool
	}{
		"another edit":          {func(*Facts) {}, false},
		"an earlier restart":    {func(f *Facts) { f.RestartedAt = ago(10 * time.Hour) }, false},
		"restartedAt removed":   {func(f *Facts) { f.RestartedAt = time.Time{} }, false},
		"a restart":             {func(f *Facts) { f.RestartedAt = noon }, true},
		"a renewal":             {func(f *Facts) { f.Lease.RenewTime = noon }, true},
		"a resume that is seen": {func(f *Facts) { f.Resumed = true }, true},
	} {
		f := idle
		test.change(&f)
		if got := Decide(policy.Policy{IdleTimeout: 2 * time.Hour}, f, noon); got.Run != test.run {
			t.Errorf("%s: run is %t, want %t", name, got.Run, test.run)
		}
	}
}

// Only a spec.suspend that a pass has seen as true is resumed.
func TestResumed(t *testing.T) {
	for name, test := range map[string]struct {
		suspend bool
		reason  string
		want    bool
	}{
		"resumed":                      {false, devv1.ReasonSuspended, true},
		"still suspended":              {true, devv1.ReasonSuspended, false},
		"suspended for being idle":     {false, devv1.ReasonIdle, false},
		"suspended by its schedule":    {false, devv1.ReasonScheduled, false},
		"expired":                      {false, devv1.ReasonExpired, false},
		"suspended between two passes": {true, devv1.ReasonIdle, false},
		"without a status":             {false, "", false},
	} {
		if got := Resumed(test.suspend, test.reason); got != test.want {
			t.Errorf("%s: resumed is %t, want %t", name, got, test.want)
		}
	}
}
