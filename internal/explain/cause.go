package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
)

// cause is why the server is not Running: the operator's message, and the figures
// around it.
func cause(f Facts) Section {
	s := Section{Title: "Why"}
	ready := f.condition(devserverv1.ConditionReady)
	if ready == nil || f.DevServer.Status.Phase == devserverv1.PhaseRunning {
		return s
	}
	if ready.Reason == devserverv1.ReasonStarting && f.Stage != "" {
		s.say("%s", f.Stage)
		return s
	}
	s.say("%s (%s)", ready.Message, ready.Reason)
	switch ready.Reason {
	case devserverv1.ReasonUnschedulable:
		f.capacity(&s)
	case devserverv1.ReasonQuotaExceeded:
		f.quota(&s)
	case devserverv1.ReasonIdle, devserverv1.ReasonScheduled:
		if at := f.lastActivity(); !at.IsZero() {
			s.say("It was last active at %s.", f.past(at))
		}
	case devserverv1.ReasonCrashLoop, devserverv1.ReasonOOMKilled, devserverv1.ReasonPrepareFailed, devserverv1.ReasonNotAnswering, devserverv1.ReasonContainerNotReady:
		f.restarts(&s)
	}
	return s
}

// capacity is how many servers of the flavor fit, as the flavor's status reports.
func (f Facts) capacity(s *Section) {
	if f.Flavor == nil {
		return
	}
	schedulable := meta.FindStatusCondition(f.Flavor.Status.Conditions, devserverv1.ConditionSchedulable)
	if schedulable == nil {
		return
	}
	s.say("Flavor %s: %s", f.Flavor.Name, schedulable.Message)
	if n := f.Flavor.Status.InUse; n != nil {
		s.say("Servers of this flavor that hold resources or wait for them, including this one: %d.", *n)
	}
}

// quota is how much of the namespace's quotas is used.
func (f Facts) quota(s *Section) {
	var lines []string
	for _, quota := range f.Quotas {
		for name, hard := range quota.Status.Hard {
			used := quota.Status.Used[name]
			lines = append(lines, fmt.Sprintf("%s: %s of %s", name, used.String(), hard.String()))
		}
	}
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	s.say("Used in namespace %s now: %s.", f.DevServer.Namespace, strings.Join(lines, "; "))
}

// restarts is how often the container was restarted, and when it is next.
func (f Facts) restarts(s *Section) {
	c := failing(f.Pod, f.reason())
	if c == nil {
		return
	}
	var sentences []string
	if c.RestartCount > 0 {
		sentences = append(sentences, fmt.Sprintf("Restarts so far: %d.", c.RestartCount))
	}
	if last := lastEnd(c); last != nil && !last.FinishedAt.IsZero() {
		sentences = append(sentences, fmt.Sprintf("It last ended at %s.", f.past(last.FinishedAt.Time)))
		if at := nextRestart(c); !at.IsZero() {
			sentences = append(sentences, fmt.Sprintf("The next restart is at about %s.", f.future(at)))
		}
	}
	if len(sentences) > 0 {
		s.say("%s", strings.Join(sentences, " "))
	}
}

// failing returns the first of the pod's containers that the reason of the Ready
// condition can be about, and that was restarted or waits to be restarted; nil if none
// exists.
func failing(pod *corev1.Pod, reason string) *corev1.ContainerStatus {
	if pod == nil {
		return nil
	}
	for _, all := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range all {
			if c := &all[i]; blames(reason, c.Name) && (c.RestartCount > 0 || (c.State.Waiting != nil && c.LastTerminationState.Terminated != nil)) {
				return c
			}
		}
	}
	return nil
}

// blames tells whether a reason of the Ready condition can be about a container.
func blames(reason, container string) bool {
	switch container {
	case objects.PrepareContainer:
		return reason == devserverv1.ReasonPrepareFailed
	case objects.ServerContainer:
		return reason == devserverv1.ReasonCrashLoop || reason == devserverv1.ReasonOOMKilled
	case objects.SSHContainer:
		return reason == devserverv1.ReasonNotAnswering
	default:
		return reason == devserverv1.ReasonContainerNotReady
	}
}

func lastEnd(c *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// backOff is the kubelet's message while it delays a restart. It is the only
// place that has the delay.
var backOff = regexp.MustCompile(`^back-off (\S+) restarting`)

// nextRestart is when the kubelet restarts a container; zero if that is not known.
func nextRestart(c *corev1.ContainerStatus) time.Time {
	last := lastEnd(c)
	if c.State.Waiting == nil || last == nil {
		return time.Time{}
	}
	found := backOff.FindStringSubmatch(c.State.Waiting.Message)
	if found == nil {
		return time.Time{}
	}
	delay, err := time.ParseDuration(found[1])
	if err != nil {
		return time.Time{}
	}
	return last.FinishedAt.Add(delay)
}
