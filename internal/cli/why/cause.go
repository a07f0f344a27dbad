package why

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	devserverv1 "devserver.io/devserver/api/v1"
)

// flavorCause says what the cluster has room for.
func flavorCause(f facts, p *part) {
	if f.flavor == nil {
		return
	}
	room := meta.FindStatusCondition(f.flavor.Status.Conditions, devserverv1.ConditionSchedulable)
	if room == nil {
		return
	}
	text := fmt.Sprintf("Of the flavor %s: %s", f.flavor.Name, room.Message)
	if n := f.flavor.Status.InUse; n != nil {
		text += fmt.Sprintf(" Servers of this flavor that hold resources or wait for them, this one included: %d.", *n)
	}
	p.say("%s", text)
}

// quotaCause shows what of the namespace's quotas is in use.
func quotaCause(f facts, p *part) {
	var lines []string
	for _, quota := range f.quotas {
		for name, hard := range quota.Status.Hard {
			used := quota.Status.Used[name]
			lines = append(lines, fmt.Sprintf("%s: %s of %s", name, used.String(), hard.String()))
		}
	}
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	p.say("In use in namespace %s now: %s.", f.devServer.Namespace, strings.Join(lines, "; "))
}

// backOff is what a kubelet says while it waits for the next try.
var backOff = regexp.MustCompile(`^back-off (\S+) restarting`)

// restartCause says how often it was tried, and when it is tried again.
func restartCause(f facts, p *part) {
	c := troubled(f.pod)
	if c == nil {
		return
	}
	text := ""
	if c.RestartCount > 0 {
		text = fmt.Sprintf("It was started again %s.", times(c.RestartCount))
	}
	if last := lastEnd(c); last != nil && !last.FinishedAt.IsZero() {
		text += fmt.Sprintf(" The last time it ended was %s.", f.since(last.FinishedAt.Time))
		if at := nextTry(c); !at.IsZero() {
			text += fmt.Sprintf(" The next try is at about %s.", f.until(at))
		}
	}
	if text != "" {
		p.say("%s", strings.TrimSpace(text))
	}
}

func times(n int32) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// troubled is the first of the pod's containers that does not run, or was
// restarted.
func troubled(pod *corev1.Pod) *corev1.ContainerStatus {
	if pod == nil {
		return nil
	}
	for _, all := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
		for i := range all {
			if c := &all[i]; c.RestartCount > 0 || c.State.Waiting != nil && c.LastTerminationState.Terminated != nil {
				return c
			}
		}
	}
	return nil
}

func lastEnd(c *corev1.ContainerStatus) *corev1.ContainerStateTerminated {
	if c.State.Terminated != nil {
		return c.State.Terminated
	}
	return c.LastTerminationState.Terminated
}

// nextTry is when the kubelet starts a container again, by its own words.
func nextTry(c *corev1.ContainerStatus) time.Time {
	last := lastEnd(c)
	if c.State.Waiting == nil || last == nil {
		return time.Time{}
	}
	found := backOff.FindStringSubmatch(c.State.Waiting.Message)
	if found == nil {
		return time.Time{}
	}
	wait, err := time.ParseDuration(found[1])
	if err != nil {
		return time.Time{}
	}
	return last.FinishedAt.Add(wait)
}
