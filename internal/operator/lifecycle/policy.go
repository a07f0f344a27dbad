// Package lifecycle decides when a box runs, sleeps, or goes. It is pure: what
// is known of a box and the time give the decision.
//
// The rule above all others is that unknown counts as at work: a box is never
// put to sleep for want of work unless its own agent has just said so.
package lifecycle

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
)

// Defaults are the operator's, for what neither a DevServer nor its flavor
// says. 0 is never.
type Defaults struct {
	TimeToLive, IdleTimeout time.Duration
}

// Policy is what holds for one box. A duration of 0 means that there is none.
type Policy struct {
	TimeToLive time.Duration
	OnExpire   devv1.ExpireAction
	// MaxTimeToLive is as far as a keep may defer the expiry.
	MaxTimeToLive time.Duration
	IdleTimeout   time.Duration
	// MaxKeep is the longest keep.
	MaxKeep time.Duration
	// DeleteAfter is how long the box may sleep.
	DeleteAfter time.Duration
	Schedule    Timetable
	Thresholds  agentapi.Thresholds
	// GraceSeconds is how long processes may take to end.
	GraceSeconds int64
}

// defaultGrace is Kubernetes' own.
const defaultGrace = 30

// Watched tells whether the box may be put to sleep for want of work, so that
// its work matters.
func (p Policy) Watched() bool { return p.IdleTimeout > 0 || p.Schedule.stop != nil }

// Violation is a part of a policy that cannot be as it is asked for. The
// Policy beside it has the bound in its place, or nothing.
type Violation struct {
	// Reason is one of the Ready condition's.
	Reason  string
	Message string
}

// Resolve gives what holds for a DevServer: its own lifecycle, else its
// flavor's, else the operator's, within the flavor's bounds. A flavor that is
// not known is nil: nobody knows what it would say, so that nothing but the
// DevServer's own counts.
func Resolve(d *devv1.DevServer, flavor *devv1.DevServerFlavor, defaults Defaults) (Policy, *Violation) {
	if flavor == nil {
		defaults = Defaults{}
	}
	own, theirs, bounds := devv1.LifecycleSpec{}, devv1.LifecycleSpec{}, devv1.LifecycleBounds{}
	if d.Spec.Lifecycle != nil {
		own = *d.Spec.Lifecycle
	}
	if flavor != nil && flavor.Spec.Lifecycle != nil {
		theirs = *flavor.Spec.Lifecycle
	}
	if flavor != nil && flavor.Spec.LifecycleBounds != nil {
		bounds = *flavor.Spec.LifecycleBounds
	}
	p := Policy{
		TimeToLive:    within(bounds.TimeToLive, cmp.Or(duration(own.TimeToLive), duration(theirs.TimeToLive), defaults.TimeToLive)),
		OnExpire:      cmp.Or(own.OnExpire, theirs.OnExpire, devv1.ExpireSuspend),
		MaxTimeToLive: most(bounds.TimeToLive),
		IdleTimeout:   within(bounds.IdleTimeout, cmp.Or(duration(own.IdleTimeout), duration(theirs.IdleTimeout), defaults.IdleTimeout)),
		MaxKeep:       duration(bounds.MaxKeep),
		DeleteAfter:   within(bounds.DeleteAfterSuspended, cmp.Or(duration(own.DeleteAfterSuspended), duration(theirs.DeleteAfterSuspended))),
		Thresholds:    thresholds(own.Activity, theirs.Activity, bounds.Activity),
		GraceSeconds:  cmp.Or(own.TerminationGracePeriodSeconds, theirs.TerminationGracePeriodSeconds, defaultGrace),
	}
	violation := p.setSchedule(own.Schedule, theirs.Schedule, flavor)
	if violation == nil && flavor != nil {
		violation = cmp.Or(
			beyond("timeToLive", flavor.Name, bounds.TimeToLive, duration(own.TimeToLive)),
			beyond("idleTimeout", flavor.Name, bounds.IdleTimeout, duration(own.IdleTimeout)),
			beyond("deleteAfterSuspended", flavor.Name, bounds.DeleteAfterSuspended, duration(own.DeleteAfterSuspended)),
			beyondThresholds(flavor.Name, bounds.Activity, own.Activity))
	}
	return p, violation
}

func (p *Policy) setSchedule(own, theirs *devv1.Schedule, flavor *devv1.DevServerFlavor) *Violation {
	if own != nil {
		table, err := parseTimetable(own)
		if err != nil {
			return &Violation{devv1.ReasonInvalidSchedule, "spec.lifecycle.schedule: " + err.Error() + "."}
		}
		p.Schedule = table
		return nil
	}
	if theirs == nil {
		return nil
	}
	table, err := parseTimetable(theirs)
	if err != nil {
		return &Violation{devv1.ReasonInvalidFlavor, fmt.Sprintf("spec.lifecycle.schedule of DevServerFlavor %s: %v. The server starts, or takes up changes, once it is mended.", flavor.Name, err)}
	}
	p.Schedule = table
	return nil
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}

func most(bounds *devv1.DurationBounds) time.Duration {
	if bounds == nil {
		return 0
	}
	return duration(bounds.Max)
}

// within holds a duration to bounds; none at all, which is for ever, is above
// every max.
func within(bounds *devv1.DurationBounds, d time.Duration) time.Duration {
	if bounds == nil {
		return d
	}
	if least := duration(bounds.Min); d > 0 && d < least {
		return least
	}
	if greatest := duration(bounds.Max); greatest > 0 && (d == 0 || d > greatest) {
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
