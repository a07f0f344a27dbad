// Package policy is what holds for a DevServer: its own settings, its flavor's and
// the operator's, within the bounds that the flavor sets. It is pure, and shared by
// the operator, which enforces it, and devctl, which checks against it.
package policy

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/lease"
)

// Defaults are the operator's, for what neither a DevServer nor its flavor sets.
// 0 stands for never.
type Defaults struct {
	TimeToLive, IdleTimeout time.Duration
}

// Policy is the lifecycle of one server. A duration of 0 stands for no limit.
type Policy struct {
	TimeToLive time.Duration
	OnExpire   devv1.ExpireAction
	// MaxTimeToLive is how far the expiry can be deferred by keeping the server
	// awake.
	MaxTimeToLive time.Duration
	IdleTimeout   time.Duration
	// MaxKeepAwake is the longest time for which a server can be kept awake at once.
	MaxKeepAwake time.Duration
	// DeleteAfter is how long the server can be suspended before it is deleted.
	DeleteAfter time.Duration
	Schedule    Timetable
	Thresholds  agentapi.Thresholds
	// GraceSeconds is how long processes may take to end.
	GraceSeconds int64
}

// defaultGrace is Kubernetes' own.
const defaultGrace = 30

// TracksActivity tells whether the server can be suspended for being idle, so that
// its activity matters.
func (p Policy) TracksActivity() bool { return p.IdleTimeout > 0 || p.Schedule.stop != nil }

// longestPause is how long an active server can pause without being called idle.
const longestPause = 10 * time.Minute

// IdleAfter is how long a server is inactive before it is called idle.
func (p Policy) IdleAfter() time.Duration {
	if p.IdleTimeout > 0 {
		return min(longestPause, p.IdleTimeout/2)
	}
	return longestPause
}

// RenewEvery is how often the Lease of an active server is renewed.
func (p Policy) RenewEvery() time.Duration {
	const most = 5 * time.Minute
	if p.IdleTimeout > 0 {
		return min(most, p.IdleTimeout/3)
	}
	return most
}

// PollEvery is how often a server's agent is asked at least, so that an active
// server is never called idle between two answers.
func (p Policy) PollEvery() time.Duration {
	const most, least = time.Minute, 5 * time.Second
	if p.IdleTimeout > 0 {
		return max(least, min(most, p.IdleTimeout/6))
	}
	return most
}

// Expiry is when the time to live of a server that was started at startedAt is
// over; zero for never. Keeping the server awake defers it, as far as the policy
// allows.
func (p Policy) Expiry(startedAt, keptAwakeUntil time.Time) time.Time {
	if p.TimeToLive == 0 || startedAt.IsZero() {
		return time.Time{}
	}
	expires := startedAt.Add(p.TimeToLive)
	if !keptAwakeUntil.After(expires) {
		return expires
	}
	if most := startedAt.Add(p.MaxTimeToLive); p.MaxTimeToLive > 0 && most.Before(keptAwakeUntil) {
		return most
	}
	return keptAwakeUntil
}

// KeptAwakeUntil is until when the Lease keeps a server awake that was started at
// startedAt, or does not run if that is zero: no longer than the policy allows,
// and no longer than the server can live. Zero stands for not at all.
func (p Policy) KeptAwakeUntil(l lease.Lease, startedAt, now time.Time) time.Time {
	until := l.KeptAwakeUntil(p.MaxKeepAwake, now)
	if expires := p.Expiry(startedAt, until); !expires.IsZero() && expires.Before(until) {
		return expires
	}
	return until
}

// Violation is a setting that is not allowed or cannot be read. The Policy beside
// it has the nearest bound in its place, or nothing.
type Violation struct {
	// Reason is a reason of the Ready condition.
	Reason  string
	Message string
}

// Resolve returns the policy of a DevServer: its own lifecycle, else its flavor's,
// else the operator's, within the flavor's bounds. If the flavor does not exist it
// is nil, and only the DevServer's own lifecycle counts.
func Resolve(d *devv1.DevServer, flavor *devv1.DevServerFlavor, defaults Defaults) (Policy, *Violation) {
	if flavor == nil {
		flavor, defaults = &devv1.DevServerFlavor{}, Defaults{}
	}
	own, theirs := ptr.Deref(d.Spec.Lifecycle, devv1.LifecycleSpec{}), ptr.Deref(flavor.Spec.Lifecycle, devv1.LifecycleSpec{})
	bounds := ptr.Deref(flavor.Spec.LifecycleBounds, devv1.LifecycleBounds{})
	p := Policy{
		TimeToLive:    within(bounds.TimeToLive, cmp.Or(duration(own.TimeToLive), duration(theirs.TimeToLive), defaults.TimeToLive)),
		OnExpire:      cmp.Or(own.OnExpire, theirs.OnExpire, devv1.ExpireSuspend),
		MaxTimeToLive: most(bounds.TimeToLive),
		IdleTimeout:   within(bounds.IdleTimeout, cmp.Or(duration(own.IdleTimeout), duration(theirs.IdleTimeout), defaults.IdleTimeout)),
		MaxKeepAwake:  duration(bounds.MaxKeep),
		DeleteAfter:   within(bounds.DeleteAfterSuspended, cmp.Or(duration(own.DeleteAfterSuspended), duration(theirs.DeleteAfterSuspended))),
		Thresholds:    thresholds(own.Activity, theirs.Activity, bounds.Activity),
		GraceSeconds:  cmp.Or(own.TerminationGracePeriodSeconds, theirs.TerminationGracePeriodSeconds, defaultGrace),
	}
	violation := p.setSchedule(own.Schedule, theirs.Schedule, flavor.Name)
	return p, cmp.Or(
		violation,
		beyond("timeToLive", flavor.Name, bounds.TimeToLive, duration(own.TimeToLive)),
		beyond("idleTimeout", flavor.Name, bounds.IdleTimeout, duration(own.IdleTimeout)),
		beyond("deleteAfterSuspended", flavor.Name, bounds.DeleteAfterSuspended, duration(own.DeleteAfterSuspended)),
		beyondThresholds(flavor.Name, bounds.Activity, own.Activity))
}

func (p *Policy) setSchedule(own, theirs *devv1.Schedule, flavor string) *Violation {
	schedule := cmp.Or(own, theirs)
	if schedule == nil {
		return nil
	}
	var err error
	switch p.Schedule, err = parseTimetable(schedule); {
	case err == nil:
		return nil
	case own != nil:
		return &Violation{devv1.ReasonInvalidSchedule, "spec.lifecycle.schedule: " + err.Error() + "."}
	default:
		return &Violation{devv1.ReasonInvalidFlavor, fmt.Sprintf("spec.lifecycle.schedule of DevServerFlavor %s: %v. The server starts, or applies changes, once the flavor is fixed.", flavor, err)}
	}
}

// duration is d, or 0 if it is nil.
func duration(d *metav1.Duration) time.Duration { return ptr.Deref(d, metav1.Duration{}).Duration }

func most(bounds *devv1.DurationBounds) time.Duration {
	return duration(ptr.Deref(bounds, devv1.DurationBounds{}).Max)
}

// within moves a duration into bounds. 0, which is unlimited, is above every
// maximum.
func within(bounds *devv1.DurationBounds, d time.Duration) time.Duration {
	if bounds == nil {
		return d
	}
	if least := duration(bounds.Min); d > 0 && d < least {
		return least
	}
	if greatest := most(bounds); greatest > 0 && (d == 0 || d > greatest) {
		return greatest
	}
	return d
}

func beyond(field, flavor string, bounds *devv1.DurationBounds, own time.Duration) *Violation {
	allowed := within(bounds, own)
	if own == 0 || own == allowed {
		return nil
	}
	return notAllowed(field, flavor, Short(own), Short(allowed), own < allowed)
}

func notAllowed(field, flavor, own, allowed string, tooLittle bool) *Violation {
	relation := "no more than"
	if tooLittle {
		relation = "no less than"
	}
	return &Violation{devv1.ReasonLifecycleNotAllowed, fmt.Sprintf(
		"spec.lifecycle.%s is %s: DevServerFlavor %s allows %s %s.", field, own, flavor, relation, allowed)}
}
