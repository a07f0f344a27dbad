package simulation

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// planDays plans what the user does on each day.
func (w *world) planDays() {
	days := []func(morning time.Duration){
		w.officeDay, w.officeDay, w.trainingNight, w.jobWithPauses, w.detachedJob, w.connectedAndInactive, w.keepAwakeDay,
	}
	for day := range w.report.Days {
		morning := time.Duration(day)*24*time.Hour + w.between(7*time.Hour, 11*time.Hour)
		weekend := w.began.Add(morning).Weekday()
		if ((weekend == time.Saturday || weekend == time.Sunday) && !w.chance(0.2)) || w.chance(0.1) {
			continue
		}
		for range 1 + w.rng.IntN(2) {
			days[w.rng.IntN(len(days))](morning)
		}
	}
}

// officeDay is a day at a terminal, with coffee, meetings and lunch.
func (w *world) officeDay(at time.Duration) {
	for end := at + w.between(5*time.Hour, 10*time.Hour); at < end; {
		d := w.between(2*time.Minute, 70*time.Minute)
		w.plan(at, d, func() { w.begin(agentapi.SignalTerminal, d) })
		pause := w.between(time.Minute, 20*time.Minute)
		if w.chance(0.25) {
			pause = w.between(30*time.Minute, 3*time.Hour)
		}
		at += d + pause
	}
}

// trainingNight is a job on the GPU without a terminal.
func (w *world) trainingNight(at time.Duration) {
	d := w.between(4*time.Hour, 16*time.Hour)
	w.plan(at+w.between(6*time.Hour, 12*time.Hour), d, func() { w.job(agentapi.SignalGPU, d, 0, 0) })
}

// jobWithPauses is a job that waits for data between its rounds, sometimes for longer
// than the idle timeout.
func (w *world) jobWithPauses(at time.Duration) {
	timeout := max(w.policy.IdleTimeout, 10*time.Minute)
	least, most := timeout/5, timeout*19/20
	if w.chance(0.2) {
		most = timeout * 3
	}
	d := w.between(time.Hour, 10*time.Hour)
	w.plan(at+w.upTo(10*time.Hour), d, func() { w.job(agentapi.SignalGPU, d, least, most) })
}

// detachedJob is a job that uses a CPU and nothing else.
func (w *world) detachedJob(at time.Duration) {
	d := w.between(10*time.Minute, 20*time.Hour)
	w.plan(at, d, func() { w.job(agentapi.SignalCPU, d, 0, 0) })
}

// connectedAndInactive is an editor that is left open: a moment of traffic, and then
// heartbeats, which are no activity.
func (w *world) connectedAndInactive(at time.Duration) {
	w.plan(at, time.Minute, func() { w.begin(agentapi.SignalSSH, time.Minute) })
}

// keepAwakeDay is a day on which a process or the Lease keeps the server awake.
func (w *world) keepAwakeDay(at time.Duration) {
	d := w.between(30*time.Minute, 30*time.Hour)
	if w.chance(0.5) {
		w.plan(at, d, func() {
			w.begin(agentapi.SignalTerminal, time.Minute)
			w.job(agentapi.SignalKeep, d, 0, 0)
		})
		return
	}
	w.plan(at, time.Minute, func() {
		w.begin(agentapi.SignalTerminal, time.Minute)
		w.lease.KeepAwakeFrom, w.lease.KeepAwakeFor = lease.Micro(w.now.Add(w.userClock)), d
		w.lease.version++
		w.op.soon(w)
	})
}

// plan makes the user connect at a time.
func (w *world) plan(at, d time.Duration, do func()) {
	from := w.began.Add(at)
	if !from.Before(w.end) {
		return
	}
	w.plans = append(w.plans, interval{from, from.Add(d)})
	w.after(at, func() { w.visit(w.now.Add(30*time.Minute), do) })
}

// visit connects, and wakes the server for that as often as it takes.
func (w *world) visit(until time.Time, do func()) {
	p := w.pod
	switch {
	case w.now.After(until), w.deleted:
		if w.replicas == 0 && w.op.up && w.now.Sub(w.op.since) > time.Minute && !w.deleted && !w.truth.startFailure {
			w.fault("the user cannot wake the server (%s)", w.truth.suspended)
		}
		return
	case p != nil && p.open(w.now) && w.replicas == 1:
		if w.chance(0.3) {
			w.renewByGateway()
		}
		do()
		return
	case w.server.Spec.Suspend:
		w.server.Spec.Suspend = false
		w.truth.resumed = true
		w.op.soon(w)
	case w.expired != nil:
		at := metav1.NewTime(w.now.Add(w.userClock).Truncate(time.Second))
		if was := w.server.Spec.RestartedAt; was != nil && !at.After(was.Time) {
			at = metav1.NewTime(was.Add(time.Second)) // The user's clock is behind: a later time works.
		}
		w.server.Spec.RestartedAt = &at
		w.truth.resumed = true
		w.op.soon(w)
	case w.replicas == 0 || w.lease.Suspension != nil:
		w.renewByGateway()
	}
	w.after(w.between(5*time.Second, 20*time.Second), func() { w.visit(until, do) })
}

// renewByGateway renews the Lease, which wakes a suspended server.
func (w *world) renewByGateway() {
	w.lease.RenewTime = lease.Micro(w.now.Add(w.gateClock))
	w.lease.version++
	w.truth.renewedAhead = max(0, w.gateClock)
	if w.truth.renewedAt = w.now; w.lease.Suspension != nil {
		w.truth.resumedAt, w.truth.resumed = w.now, true
	}
	w.op.soon(w)
}

// job is active in rounds with pauses in between, as long as the pod lives.
func (w *world) job(signal string, d, least, most time.Duration) {
	p := w.pod
	if p == nil || p.readyAt.IsZero() || d <= 0 {
		return
	}
	round := d
	if most > 0 {
		round = w.between(time.Second, 20*time.Minute)
	}
	if signal == agentapi.SignalKeep {
		p.keptAwakeBy = "torchrun"
	}
	w.begin(signal, round)
	if most == 0 {
		return
	}
	pause := w.between(least, most)
	w.after(round+pause, func() {
		if w.pod == p && !p.terminating {
			w.job(signal, d-round-pause, least, most)
		}
	})
}

// choosePolicy gives the server a random lifecycle.
func (w *world) choosePolicy() {
	pick := func(durations ...time.Duration) *metav1.Duration {
		if d := durations[w.rng.IntN(len(durations))]; d > 0 {
			return &metav1.Duration{Duration: d}
		}
		return nil
	}
	own := &devv1.LifecycleSpec{
		IdleTimeout: pick(0, time.Minute, 5*time.Minute, 20*time.Minute, 30*time.Minute, time.Hour, 2*time.Hour, 2*time.Hour, 4*time.Hour),
		TimeToLive:  pick(0, 0, 0, 10*time.Hour, 36*time.Hour, 72*time.Hour),
	}
	if w.chance(0.05) {
		own.OnExpire = devv1.ExpireDelete
	}
	if w.chance(0.1) {
		own.DeleteAfterSuspended = pick(12*time.Hour, 48*time.Hour, 240*time.Hour)
	}
	w.hours = nil
	if w.chance(0.4) {
		own.Schedule = w.chooseHours()
	}
	if only := w.report.IdleTimeout; only > 0 {
		own, w.hours = &devv1.LifecycleSpec{IdleTimeout: &metav1.Duration{Duration: only}}, nil
	}
	w.server.Spec.Lifecycle = own
	w.flavor.Spec.LifecycleBounds = nil
	if w.chance(0.5) && w.report.IdleTimeout == 0 {
		w.flavor.Spec.LifecycleBounds = &devv1.LifecycleBounds{
			TimeToLive: &devv1.DurationBounds{Max: pick(80*time.Hour, 168*time.Hour)}, MaxKeep: pick(2*time.Hour, 12*time.Hour),
		}
	}
	resolved, violation := policy.Resolve(&w.server, &w.flavor, policy.Defaults{})
	if violation != nil {
		w.fault("the policy is not allowed: %s", violation.Message)
	}
	w.policy, w.truth.known = resolved, time.Time{}
	w.edited = w.now
}

func (w *world) chooseHours() *devv1.Schedule {
	name := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"}[w.rng.IntN(5)]
	zone, err := time.LoadLocation(name)
	if err != nil {
		w.fault("%v", err)
		return nil
	}
	at := func(from, to int) (time.Duration, string) {
		hour, minute := from+w.rng.IntN(to-from), w.rng.IntN(60)
		return time.Duration(hour*60+minute) * time.Minute, cron(hour, minute)
	}
	w.hours = &hours{zone: zone}
	s := &devv1.Schedule{TimeZone: name}
	w.hours.stop, s.Stop = at(16, 24)
	if w.chance(0.7) {
		w.hours.start, s.Start = at(6, 12)
	}
	return s
}
