package lifecycle

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"devserver.io/devserver/internal/agentapi"
)

// Facts are what is known of a box.
type Facts struct {
	// Suspend is its owner's wish.
	Suspend bool
	// Resumed is set where its owner may have resumed the box since it was looked
	// at last: it was suspended then, or the spec changed more than once.
	Resumed bool
	// RestartedAt is spec.restartedAt; zero where there is none.
	RestartedAt time.Time
	// Lease is the box's; its zero value stands for none.
	Lease Lease
	// Expired is set once the box was stopped because its time to live was over.
	// The status has it, which nobody but the operator writes.
	Expired *Expiry
	// Pod is nil while there is none, or none that stays.
	Pod *Pod
	// Gone is set while there is no pod at all, not even one that ends.
	Gone bool
	// HoldUntil is until when the box is held back, since its pods failed too
	// often; zero for not.
	HoldUntil time.Time
	// SuspendedAt is since when the status says that it sleeps, and DeletesAt
	// when it says that it is deleted.
	SuspendedAt, DeletesAt time.Time
	// AnnouncedAt is since when the status warns of a stop for the last time; zero
	// where it does not. One in the future is as none: the status is to say so
	// anew, or the stop would wait for a wrong clock's time.
	AnnouncedAt time.Time

	// woken is when the box was woken at the earliest, by the operator's clock;
	// zero if it was not, or nothing knows of it any more.
	woken time.Time
}

// Pod is what matters of a box's pod.
type Pod struct {
	// StartedAt is when it was started; the time to live counts from there.
	StartedAt time.Time
	// ReadyAt is since when SSH answers; zero while it does not. Nobody can have
	// worked before.
	ReadyAt time.Time
	// ReadyUntil is when SSH ceased to answer; zero while it does. Until then
	// somebody may have worked.
	ReadyUntil time.Time
	// Silent is set while the agent does not answer the operator, and TooOld
	// where it does not know the question.
	Silent, TooOld bool
	// Hindered is why the container cannot run, if that is known: then nothing is
	// at work in it, and nobody need be asked.
	Hindered string
	// Sighting is what the agent said last; nil while it has not been asked.
	Sighting *Sighting
}

// Sighting is what an agent said.
type Sighting struct {
	// LastWork is when the box was last at work, by the operator's clock.
	LastWork time.Time
	// Signal is what it was at work with.
	Signal string
	// Figures describe the box now: "CPU 1%, GPU 0%".
	Figures string
	// Keep is what a process in the box says to keep it for; empty for none.
	Keep string
}

// Lease is what a box's Lease says.
type Lease struct {
	// RenewTime is the last known work; a change of it wakes the box.
	RenewTime time.Time
	// KeepFrom and KeepFor are a keep.
	KeepFrom time.Time
	KeepFor  time.Duration
	// Mark is set while the box sleeps for want of work.
	Mark *Mark
	// Foreign is set where a Lease of somebody else has the name. Without its own
	// a box is not put to sleep.
	Foreign bool
}

// Holds is until when a keep really holds: for as long as the flavor lets one,
// and no longer than it lets the box live. The pod may be nil.
func (l Lease) Holds(p Policy, pod *Pod, now time.Time) time.Time {
	until := l.keptUntil(p, now)
	if pod == nil {
		return until
	}
	return earliest(until, expiry(p, pod, until))
}

// Expiry is how a box came to be expired.
type Expiry struct {
	// RestartedAt was spec.restartedAt then: a later one starts the box.
	RestartedAt time.Time
}

// Cause is why a box does not run. The values are reasons of the Ready
// condition.
type Cause string

// Causes.
const (
	CauseOwner     Cause = "Suspended"
	CauseIdle      Cause = "Idle"
	CauseScheduled Cause = "Scheduled"
	CauseExpired   Cause = "Expired"
	// CauseEvicted: its pods failed too often to make another at once.
	CauseEvicted Cause = "Evicted"
)

// AnnotationMark on a Lease has the Mark of the box.
const AnnotationMark = "devserver.io/asleep"

// Mark is written to a box's Lease in the moment in which it is put to sleep,
// on the condition that nobody renewed the Lease in between. From then on it is
// what makes the box sleep, whatever becomes of the operator.
type Mark struct {
	Cause Cause     `json:"cause"`
	At    time.Time `json:"at"`
	// RenewTime and RestartedAt are those of that moment. Clocks differ, so that
	// what wakes the box is another value, not a later one.
	RenewTime   time.Time `json:"renewTime,omitzero"`
	RestartedAt time.Time `json:"restartedAt,omitzero"`
	// Hindered is why the container did not run, if that was why there was no work.
	Hindered string `json:"hindered,omitempty"`
}

// Text is the annotation's value.
func (m Mark) Text() string {
	// As Kubernetes keeps them.
	m.At, m.RenewTime, m.RestartedAt = micro(m.At), micro(m.RenewTime), micro(m.RestartedAt)
	text, err := json.Marshal(m)
	if err != nil {
		return "" // A year beyond 9999, which no Lease can hold either.
	}
	return string(text)
}

func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// ParseMark reads the annotation. What cannot be read is no mark: the box runs.
func ParseMark(text string) *Mark {
	m := &Mark{}
	if text == "" || json.Unmarshal([]byte(text), m) != nil || m.Cause != CauseIdle && m.Cause != CauseScheduled {
		return nil
	}
	return m
}

// MarkOf is the mark that puts a box to sleep for a cause.
func MarkOf(cause Cause, f Facts, now time.Time) Mark {
	m := Mark{Cause: cause, At: now, RenewTime: f.Lease.RenewTime, RestartedAt: f.RestartedAt}
	if f.Pod != nil {
		m.Hindered = f.Pod.Hindered
	}
	return m
}

// Woken tells whether somebody woke the box since it was marked.
func (m Mark) Woken(renewTime, restartedAt time.Time) bool {
	return restartedAt.After(m.RestartedAt) || !micro(renewTime).Equal(micro(m.RenewTime))
}

// holds tells whether the box, once marked, is still to sleep.
func (m *Mark) holds(p Policy, f Facts, now time.Time) bool {
	if m.Woken(f.Lease.RenewTime, f.RestartedAt) {
		return false
	}
	since := m.At
	if since.After(now) {
		// The clock was set back, and nobody knows by how much. No start until it has
		// caught up would count: one that is due right now does.
		since = now.Add(-justDue)
	}
	// A start that is long past is no reason: a schedule that is added at noon is
	// not to wake all that sleep.
	start := p.Schedule.startSince(since, now)
	return start.IsZero() || now.Sub(start) > startHolds
}

// startHolds is how late a start may still be made, by an operator that was
// away, and justDue how late by one that was there.
const startHolds, justDue = time.Hour, time.Minute

// consent is how long an agent's word holds that its box may be stopped. The
// other half of the time in which it refuses sessions is for the pod to end.
const consent = agentapi.DrainTime / 2

// lapsed tells whether a box runs on that its agent agreed to have stopped: the
// operator was gone, or its writes were refused. It may be at work again by now.
func (m *Mark) lapsed(f Facts, now time.Time) bool {
	if f.Pod == nil {
		return false
	}
	return now.Before(m.At) || !now.Before(m.At.Add(consent))
}

// Time is t as the API has it, or nil.
func Time(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.UTC().Truncate(time.Second)}
}
