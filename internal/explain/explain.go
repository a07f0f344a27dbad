// Package explain explains one server in plain English: its state, why it is in
// that state, its activity, what happens next and when, and what a person can do.
// devctl why and ssh GATEWAY why share it. It is pure.
//
// It reads structured status, never the text of a message; the operator's messages
// are quoted whole. A fact that is missing leads to a coarser statement, or to none,
// and never to a false one.
package explain

import (
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/utils/ptr"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/printable"
)

// Facts are what is known of a server. An object that does not exist, or that this
// person cannot read, is nil.
type Facts struct {
	DevServer *devserverv1.DevServer
	// Name is how this person addresses the server: NAME, or NAME.NAMESPACE.
	Name   string
	Lease  *coordinationv1.Lease
	Pod    *corev1.Pod
	Flavor *devserverv1.DevServerFlavor
	Quotas []corev1.ResourceQuota
	// Stage is a sentence about how far a starting server is; empty if unknown.
	Stage string
	// Report is what the agent reports right now. ReportError is why it does not,
	// if it was asked.
	Report      *agentapi.Report
	ReportError string
	// Commands are what this person can type.
	Commands Commands

	Now time.Time
	// Zone is the person's time zone.
	Zone *time.Location
}

// Section is a title, which may be empty, and paragraphs.
type Section struct {
	Title      string
	Paragraphs []Paragraph
}

// Paragraph is one line of text before it is wrapped.
type Paragraph struct {
	Text string
	Kind Kind
}

// Kind is how a Paragraph is shown.
type Kind int

// Kinds.
const (
	Prose Kind = iota
	// Item is an item of a list.
	Item
	// Command is a line to type, which is never wrapped.
	Command
)

func (s *Section) add(kind Kind, text string) {
	// Names, images and an agent's figures are chosen by users.
	s.Paragraphs = append(s.Paragraphs, Paragraph{Text: printable.Line(text, 0), Kind: kind})
}

func (s *Section) say(format string, args ...any) { s.add(Prose, fmt.Sprintf(format, args...)) }

// Explain returns the sections that have something to say.
func Explain(f Facts) []Section {
	var sections []Section
	for _, s := range []Section{state(f), cause(f), activity(f), next(f), notes(f), advice(f)} {
		if len(s.Paragraphs) > 0 {
			sections = append(sections, s)
		}
	}
	return sections
}

// TimeLayout is how a time is shown.
const TimeLayout = "2006-01-02 15:04 MST"

func (f Facts) at(t time.Time) string { return t.In(f.Zone).Format(TimeLayout) }

// past is a time in the past, with how long ago it is.
func (f Facts) past(t time.Time) string {
	return fmt.Sprintf("%s (%s ago)", f.at(t), duration.HumanDuration(max(0, f.Now.Sub(t))))
}

// future is a time in the future, with how far away it is.
func (f Facts) future(t time.Time) string {
	if !t.After(f.Now) {
		return f.at(t) + " (now)"
	}
	return fmt.Sprintf("%s (in %s)", f.at(t), duration.HumanDuration(t.Sub(f.Now)))
}

func (f Facts) condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.DevServer.Status.Conditions, kind)
}

// isTrue tells whether a condition is True.
func (f Facts) isTrue(kind string) bool {
	return meta.IsStatusConditionTrue(f.DevServer.Status.Conditions, kind)
}

// reason is the reason of the Ready condition; empty if there is none.
func (f Facts) reason() string {
	return ptr.Deref(f.condition(devserverv1.ConditionReady), metav1.Condition{}).Reason
}
