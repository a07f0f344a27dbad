package why

import (
	"fmt"
	"slices"
	"strings"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/policy"
)

// event is something that will happen if nothing else does.
type event struct {
	at   time.Time
	text string
}

// next says what will happen, and when.
func next(f facts) part {
	p := part{title: "What happens next"}
	switch f.devServer.Status.Phase {
	case devserverv1.PhaseRunning:
		running(f, &p)
	case devserverv1.PhaseSuspended, devserverv1.PhaseExpired, devserverv1.PhaseSuspending:
		sleeping(f, &p)
	case devserverv1.PhaseTerminating:
		grace := time.Duration(f.policy().GraceSeconds) * time.Second
		p.say("Its processes have %s to end, then it is gone. %s", short(grace), homeFate(f))
	case devserverv1.PhaseStarting:
		p.say("You can log in once its SSH server answers; with an image that the node has, that takes seconds, else as long as the image takes to be fetched.")
	case devserverv1.PhasePending:
		p.say("It starts by itself as soon as that is settled. There is nothing to restart, or to make anew.")
	case devserverv1.PhaseFailed:
		failing(f, &p)
	}
	return p
}

func running(f facts, p *part) {
	s, limits := f.devServer.Status, f.policy()
	var events []event
	if s.SuspendsAt != nil {
		events = append(events, event{s.SuspendsAt.Time, "it is suspended for want of work, unless somebody works in it until then; its home directory is kept"})
		if last := lastWork(f); !last.IsZero() {
			events = append(events, warnings(f, s.SuspendsAt.Time, last)...)
		}
	}
	if s.ExpiresAt != nil {
		fate := "its time to live is over, and it is stopped, whatever it does; its home directory is kept"
		if limits.OnExpire == devserverv1.ExpireDelete {
			fate = "its time to live is over, and it is deleted, whatever it does. " + homeFate(f)
		}
		events = append(events, event{s.ExpiresAt.Time, fate})
		if s.StartedAt != nil {
			events = append(events, warnings(f, s.ExpiresAt.Time, s.StartedAt.Time)...)
		}
	}
	if stop := limits.Schedule.NextStop(f.now); !stop.IsZero() {
		events = append(events, event{stop, "the stop of its schedule: from then on it is suspended once it has been without work for 15 minutes"})
	}
	if until := f.keptAwakeUntil(); !until.IsZero() {
		events = append(events, event{until, "its keep ends, and what it does counts again"})
	}
	switch active := f.condition(devserverv1.ConditionActive); {
	case active == nil || s.SuspendsAt != nil:
	case !f.keptAwakeUntil().IsZero():
		p.say("It is not suspended for want of work while it is kept.")
	default:
		p.say("%s", workingFate(limits, active.Reason))
	}
	if len(events) == 0 && len(p.paras) == 0 {
		p.say("Nothing stops it by itself: it has no idle timeout, no time to live and no schedule.")
	}
	timeline(f, p, events)
}

// workingFate is what comes of a server that counts as at work.
func workingFate(limits policy.Policy, reason string) string {
	if reason != devserverv1.ReasonActive && reason != devserverv1.ReasonKeptAwake {
		return "It is not suspended for want of work as long as that is so."
	}
	after := "for its idle timeout" // the operator's default, which nobody can see
	switch {
	case limits.IdleTimeout > 0:
		after = "for " + short(limits.IdleTimeout)
	case limits.TracksActivity():
		return "As long as it works, it runs."
	}
	return fmt.Sprintf("It is suspended once it has been without work %s, after a warning. Until then it runs.", after)
}

// warnings are those that are still to come before a stop.
func warnings(f facts, stop, began time.Time) []event {
	var events []event
	for _, at := range policy.Warnings(stop, stop.Sub(began)) {
		if at.After(f.now) {
			events = append(events, event{at, "you are warned, on every open terminal of the server"})
		}
	}
	return events
}

func sleeping(f facts, p *part) {
	s, limits := f.devServer.Status, f.policy()
	var events []event
	switch f.reason() {
	case devserverv1.ReasonIdle, devserverv1.ReasonScheduled:
		if start := limits.Schedule.NextStart(f.now); !start.IsZero() {
			events = append(events, event{start, "its schedule starts it"})
		} else {
			p.say("It sleeps until somebody starts it.")
		}
	case devserverv1.ReasonNodeLost:
	default:
		p.say("It stays so until its owner starts it.")
	}
	if s.DeletesAt != nil {
		events = append(events, event{s.DeletesAt.Time, "the DevServer is deleted, because it will have slept for as long as it may. " + homeFate(f)})
	}
	timeline(f, p, events)
}

func failing(f facts, p *part) {
	switch f.reason() {
	case devserverv1.ReasonEvicted:
		p.say("It is started again by itself: one minute after the third time, and after up to ten minutes when it goes on.")
	case devserverv1.ReasonNodeLost:
		p.say("It comes back as soon as the node does, or is known to be off. Before that, nobody can know whether its home directory is still being written to.")
	case devserverv1.ReasonImagePullFailed:
		p.say("The node tries again by itself, every five minutes at the latest.")
	default:
		p.say("It is tried again by itself, every five minutes at the latest.")
	}
}

// timeline lists events in their order.
func timeline(f facts, p *part, events []event) {
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		p.item(f.until(e.at) + ": " + strings.TrimSuffix(e.text, "."))
	}
}
