package explain

import (
	"fmt"
	"slices"
	"time"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/policy"
	"devserver.io/devserver/internal/serverstate"
)

// event is something that happens at a time unless something else does before.
type event struct {
	at   time.Time
	text string
}

// next is what happens next, and when.
func next(f Facts) Section {
	s := Section{Title: "What happens next"}
	switch f.DevServer.Status.Phase {
	case devserverv1.PhaseRunning:
		f.running(&s)
	case devserverv1.PhaseSuspended, devserverv1.PhaseExpired, devserverv1.PhaseSuspending:
		f.stopped(&s)
	case devserverv1.PhaseTerminating:
		if p, _ := f.policy(); f.Flavor != nil {
			s.say("Its processes have up to %s to end. %s", seconds(p.GraceSeconds), serverstate.HomeFate(f.DevServer))
		} else {
			s.say("Its processes have some time to end. %s", serverstate.HomeFate(f.DevServer))
		}
	case devserverv1.PhaseStarting:
		s.say("You can log in when its SSH server answers. That takes seconds if the node has the image, and otherwise as long as it takes to pull the image.")
	case devserverv1.PhasePending:
		s.say("It starts by itself when the problem is solved. You do not have to restart it or create it again.")
	case devserverv1.PhaseFailed:
		f.failed(&s)
	}
	return s
}

func seconds(n int64) string { return policy.Short(time.Duration(n) * time.Second) }

func (f Facts) running(s *Section) {
	status := f.DevServer.Status
	p, complete := f.policy()
	var events []event
	if status.SuspendsAt != nil {
		events = append(events, event{status.SuspendsAt.Time, "it is suspended, unless it is used before. " + f.homeAtStop()})
		if last := f.lastActivity(); !last.IsZero() {
			events = append(events, f.warnings(status.SuspendsAt.Time, last)...)
		}
	}
	if status.ExpiresAt != nil {
		events = append(events, f.expiry(status.ExpiresAt.Time)...)
	}
	if stop := p.Schedule.NextStop(f.Now); !stop.IsZero() {
		events = append(events, event{stop, "its schedule's stop: from then on it is suspended once it has been idle for " + policy.Short(policy.IdleAfterStop)})
	}
	if until := f.keptAwakeUntil(); !until.IsZero() {
		events = append(events, event{until, "it is no longer kept awake"})
	}
	if status.SuspendsAt == nil {
		f.suspension(s, p)
	}
	if status.ExpiresAt == nil && p.TimeToLive > 0 {
		s.say("It expires %s after its start, and is then %s.", policy.Short(p.TimeToLive), f.expiryVerb())
	}
	if len(events) == 0 && len(s.Paragraphs) == 0 {
		if complete {
			s.say("Nothing stops it: it has no idle timeout, no time to live, and no schedule that stops it.")
		} else {
			s.say("When it stops by itself is not known: the operator has not reported its idle timeout and its time to live.")
		}
	}
	f.timeline(s, events)
}

// suspension is when a server is suspended for which no time is set.
func (f Facts) suspension(s *Section, p policy.Policy) {
	active := f.condition(devserverv1.ConditionActive)
	if active != nil {
		switch active.Reason {
		case devserverv1.ReasonActive:
		case devserverv1.ReasonKeptAwake:
			s.say("It is not suspended for being idle while it is kept awake.")
			return
		case devserverv1.ReasonIdle:
			return
		default:
			s.say("It is not suspended for being idle while its activity is unknown.")
			return
		}
	}
	switch {
	case p.IdleTimeout > 0:
		s.say("It is suspended, after a warning, when it has been idle for %s.", policy.Short(p.IdleTimeout))
	case active != nil && !p.TracksActivity():
		s.say("It is suspended, after a warning, when it has been idle for its idle timeout.") // Its status does not report the timeout.
	}
}

// expiry is the end of the time to live, with the warnings of it.
func (f Facts) expiry(at time.Time) []event {
	text := "it reaches its time to live and is stopped, even if it is active. " + f.homeAtStop()
	if f.expiryVerb() == "deleted" {
		text = "it reaches its time to live and is deleted, even if it is active. " + serverstate.HomeFate(f.DevServer)
	}
	events := []event{{at, text}}
	if started := f.DevServer.Status.StartedAt; started != nil {
		events = append(events, f.warnings(at, started.Time)...)
	}
	return events
}

// homeAtStop is what happens to the home directory when the server stops.
func (f Facts) homeAtStop() string {
	if objects.Home(f.DevServer).Ephemeral {
		return "Its home directory is ephemeral and is deleted."
	}
	return "Its home directory is kept."
}

// warnings are those that are still to come before a stop that was foreseeable
// since a time.
func (f Facts) warnings(stop, since time.Time) []event {
	var events []event
	for _, at := range policy.Warnings(stop, stop.Sub(since)) {
		if at.After(f.Now) {
			events = append(events, event{at, "a warning appears on every open terminal of the server"})
		}
	}
	return events
}

func (f Facts) stopped(s *Section) {
	status := f.DevServer.Status
	p, complete := f.policy()
	var events []event
	switch f.reason() {
	case devserverv1.ReasonIdle, devserverv1.ReasonScheduled:
		start := p.Schedule.NextStart(f.Now)
		switch {
		case !start.IsZero():
			events = append(events, event{start, "its schedule starts it"})
		case complete && status.SSH != nil && status.SSH.Gateway != nil:
			s.say("It stays suspended until it is started, or until a user connects to it through the gateway.")
		case complete:
			s.say("It stays suspended until it is started.")
		}
	case devserverv1.ReasonNodeLost:
	default:
		s.say("It stays stopped until its owner starts it.")
	}
	if status.DeletesAt != nil {
		events = append(events, event{status.DeletesAt.Time, "the DevServer is deleted, unless it is started before. " + serverstate.HomeFate(f.DevServer)})
	}
	f.timeline(s, events)
}

func (f Facts) failed(s *Section) {
	switch f.reason() {
	case devserverv1.ReasonEvicted:
		s.say("It is started again by itself: one minute after the third eviction, and after up to ten minutes if the evictions continue.")
	case devserverv1.ReasonNodeLost:
		s.say("It continues when its node answers again. If the node is off, the server starts on another node after an admin has deleted the Node object, or tainted it node.kubernetes.io/out-of-service.")
	case devserverv1.ReasonImagePullFailed:
		s.say("The node tries again by itself, at least every five minutes.")
	default:
		s.say("It is tried again by itself, at least every five minutes.")
	}
}

// timeline lists events in order.
func (f Facts) timeline(s *Section, events []event) {
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	for _, e := range events {
		s.add(Item, fmt.Sprintf("%s: %s", f.future(e.at), e.text))
	}
}
