package why

import (
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/cli/localtime"
	"devserver.io/devserver/internal/lease"
	"devserver.io/devserver/internal/policy"
)

// facts are all that the story of a DevServer stands on. What is nil is not
// there, or not for this person to see.
type facts struct {
	devServer *devserverv1.DevServer
	lease     *coordinationv1.Lease
	pod       *corev1.Pod
	claim     *corev1.PersistentVolumeClaim
	events    []corev1.Event // about the pod
	flavor    *devserverv1.DevServerFlavor
	quotas    []corev1.ResourceQuota
	// live is what the agent in the server says; notLive is why it says nothing,
	// where it was asked.
	live    *agentapi.Report
	notLive string

	now  time.Time
	zone *time.Location
}

// at is a time of the past or future, in the person's own zone.
func (f facts) at(t time.Time) string { return t.In(f.zone).Format(localtime.Layout) }

// since is a time of the past, and how long ago that is.
func (f facts) since(t time.Time) string {
	return fmt.Sprintf("%s (%s ago)", f.at(t), duration.HumanDuration(f.now.Sub(t)))
}

// until is a time of the future, and how far away that is.
func (f facts) until(t time.Time) string {
	if !t.After(f.now) {
		return f.at(t) + " (now)"
	}
	return fmt.Sprintf("%s (in %s)", f.at(t), duration.HumanDuration(t.Sub(f.now)))
}

// local puts the times of a sentence of the operator's into the person's zone.
func (f facts) local(sentence string) string { return localtime.Sentence(sentence, f.zone) }

func (f facts) condition(kind string) *metav1.Condition {
	return meta.FindStatusCondition(f.devServer.Status.Conditions, kind)
}

// is tells whether a condition is True.
func (f facts) is(kind string) bool {
	return meta.IsStatusConditionTrue(f.devServer.Status.Conditions, kind)
}

// reason is why the server is not Ready, or is.
func (f facts) reason() string {
	if ready := f.condition(devserverv1.ConditionReady); ready != nil {
		return ready.Reason
	}
	return ""
}

// policy is when the server stops by itself, as far as it and its flavor say
// it: what the operator's own defaults are, nobody can see. A schedule that
// cannot be read is none; the Ready condition says so.
func (f facts) policy() policy.Policy {
	p, _ := policy.Resolve(f.devServer, f.flavor, policy.Defaults{})
	return p
}

// keptAwakeUntil is until when its Lease keeps the server awake; zero for not.
func (f facts) keptAwakeUntil() time.Time {
	var startedAt time.Time
	if started := f.devServer.Status.StartedAt; started != nil {
		startedAt = started.Time
	}
	if until := f.policy().KeptAwakeUntil(lease.Of(f.lease), startedAt, f.now); until.After(f.now) {
		return until
	}
	return time.Time{}
}

// command is a line to type.
func (f facts) command(verb, rest string) string {
	line := fmt.Sprintf("devctl %s %s", verb, f.devServer.Name)
	if rest != "" {
		line += " " + rest
	}
	return line + " -n " + f.devServer.Namespace
}
