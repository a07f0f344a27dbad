package agentclient

import (
	"time"

	"devserver.io/devserver/internal/agentapi"
)

// Question is whether an agent agrees to a drain, and its answer. A nil Question was not
// asked.
type Question struct {
	Request  agentapi.Drain
	sent     time.Time // zero until it was sent
	answered bool
	drained  bool
}

// NewQuestion returns a question that was not sent yet.
func NewQuestion(d agentapi.Drain) *Question { return &Question{Request: d} }

// Holds tells whether the question stands for another one that is asked now: it was not
// answered yet, or its answer still counts. Only activity by the same thresholds is
// comparable.
func (q *Question) Holds(d agentapi.Drain, now time.Time) bool {
	switch {
	case q == nil, q.Request.Thresholds != d.Thresholds:
		return false
	case !q.answered:
		return true
	case q.drained:
		return now.Sub(q.sent) < answerLasts
	default:
		return now.Sub(q.sent) < refusalLasts
	}
}

// Unsent tells whether the question has to be sent.
func (q *Question) Unsent() bool { return q != nil && q.sent.IsZero() }

// Send records when the question is sent.
func (q *Question) Send(now time.Time) { q.sent = now }

// Record records the answer. No answer counts as no.
func (q *Question) Record(drained bool) { q.answered, q.drained = true, drained }

// Answer returns the answer, if there is one.
func (q *Question) Answer() (drained, answered bool) { return q.drained, q.answered }

// Outstanding tells whether the agent may refuse sessions because of the question.
func (q *Question) Outstanding() bool {
	return q != nil && !q.sent.IsZero() && (q.drained || !q.answered)
}
