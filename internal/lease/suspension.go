package lease

import (
	"encoding/json"
	"time"

	devv1 "devserver.io/devserver/api/v1"
)

// AnnotationSuspension on a Lease holds the Suspension of its server.
const AnnotationSuspension = "devserver.io/asleep"

// Suspension records on a server's Lease that the server is suspended for being
// idle. It is written on the condition that the Lease was not renewed since it was
// read. From then on it is what keeps the server suspended, whatever becomes of
// the operator.
type Suspension struct {
	// Cause is the reason of the Ready condition: devv1.ReasonIdle or
	// devv1.ReasonScheduled.
	Cause string    `json:"cause"`
	At    time.Time `json:"at"`
	// RenewTime and RestartedAt are those of the Lease and of the spec at that
	// moment. Another value wakes the server, not a later one, because clocks
	// differ.
	RenewTime   time.Time `json:"renewTime,omitzero"`
	RestartedAt time.Time `json:"restartedAt,omitzero"`
	// StartFailure is why the server's container could not run, if that was why
	// the server was idle.
	StartFailure string `json:"hindered,omitempty"`
}

// Text is the annotation's value.
func (s Suspension) Text() string {
	s.At, s.RenewTime, s.RestartedAt = Micro(s.At), Micro(s.RenewTime), Micro(s.RestartedAt)
	text, err := json.Marshal(s)
	if err != nil {
		return "" // A year beyond 9999, which no Lease can hold either.
	}
	return string(text)
}

// ParseSuspension reads the annotation. A value that cannot be read is no
// suspension: the server runs.
func ParseSuspension(text string) *Suspension {
	s := &Suspension{}
	if text == "" || json.Unmarshal([]byte(text), s) != nil || (s.Cause != devv1.ReasonIdle && s.Cause != devv1.ReasonScheduled) {
		return nil
	}
	return s
}

// Ended tells whether the server was woken or restarted since it was suspended.
func (s Suspension) Ended(renewTime, restartedAt time.Time) bool {
	return restartedAt.After(s.RestartedAt) || !Micro(renewTime).Equal(Micro(s.RenewTime))
}
