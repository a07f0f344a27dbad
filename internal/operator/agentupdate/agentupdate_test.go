package agentupdate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/objects"
	"devserver.io/devserver/internal/operator/agentupdate"
)

const (
	before = "agent:1"
	after  = "agent:2"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// outdated is a pod with the old agent, ready and running.
func outdated(edits ...func(*agentupdate.Pod)) agentupdate.Pod {
	p := agentupdate.Pod{Agent: before, Image: before, Ready: true, Running: true}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

// updated is a pod with the new agent, ready and running.
func updated(edits ...func(*agentupdate.Pod)) agentupdate.Pod {
	return outdated(append([]func(*agentupdate.Pod){func(p *agentupdate.Pod) { p.Agent, p.Image = after, after }}, edits...)...)
}

func notReady(p *agentupdate.Pod) { p.Ready = false }

// since makes an update under way, which started that long ago.
func since(age time.Duration) func(*agentupdate.Pod) {
	return func(p *agentupdate.Pod) {
		p.Image = after
		p.Update = &agentupdate.Update{Image: after, From: before, StartedAt: metav1.NewTime(now.Add(-age)), Restarts: 1}
		p.Restarts = 1
	}
}

// failedTo is a pod whose update to the image failed.
func failedTo(image string) func(*agentupdate.Pod) {
	return func(p *agentupdate.Pod) {
		p.Update = &agentupdate.Update{Image: image, From: before, StartedAt: metav1.NewTime(now), Failed: "ErrImagePull"}
	}
}

func restarted(p *agentupdate.Pod) { p.Restarts++ }

func sessions(n int) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.Sessions = &n }
}

func noReport(f *agentupdate.Facts) { f.Sessions = nil }

func mode(m agentupdate.Mode) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.Policy.Mode = m }
}

func pod(p agentupdate.Pod) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.Pod = p }
}

func others(pods ...agentupdate.Pod) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.Others = pods }
}

func pull(state agentupdate.PullState, age time.Duration) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) {
		f.Others = nil
		f.Pull = agentupdate.Pull{State: state, StartedAt: now.Add(-age)}
		if state == agentupdate.PullFailed {
			f.Pull.Cause = "no such image"
		}
	}
}

// pullRepeated is a pull that the node tries again.
func pullRepeated(f *agentupdate.Facts) {
	pull(agentupdate.Pulling, time.Minute)(f)
	f.Pull.Cause = "no such image"
}

func outdatedFor(age time.Duration) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.OutdatedSince = now.Add(-age) }
}

func warned(age time.Duration) func(*agentupdate.Facts) {
	return func(f *agentupdate.Facts) { f.WarnedAt = now.Add(-age) }
}

func stops(f *agentupdate.Facts) { f.StopAnnounced = true }

// facts are those of an outdated server without sessions, on a node where another server
// has the new agent.
func facts(edits ...func(*agentupdate.Facts)) agentupdate.Facts {
	f := agentupdate.Facts{
		Policy: agentupdate.Policy{Mode: agentupdate.WhenIdle, Deadline: time.Hour},
		Image:  after, Pod: outdated(), Node: "node-1", Others: []agentupdate.Pod{updated()},
		OutdatedSince: now.Add(-time.Minute),
	}
	sessions(0)(&f)
	for _, edit := range edits {
		edit(&f)
	}
	return f
}

func TestDecide(t *testing.T) {
	type decision = agentupdate.Decision
	in := now.Add
	waiting := decision{Reason: devv1.ReasonWaitingForSessions, RequeueAt: in(59 * time.Minute)}
	start := decision{Act: agentupdate.ActStart, Reason: devv1.ReasonUpdatingAgent, Updating: true, RequeueAt: in(agentupdate.Patience)}
	warn := decision{Act: agentupdate.ActWarn, Reason: devv1.ReasonUpdatingAgent, WarnedAt: now, RequeueAt: in(agentupdate.WarningTime)}
	starting := decision{Reason: devv1.ReasonUpdatingAgent, Updating: true}
	startPull := decision{Act: agentupdate.ActPull, Reason: devv1.ReasonPullingImage, RequeueAt: in(15 * time.Second)}
	failed := decision{Reason: devv1.ReasonAgentUpdateFailed}
	forNode := decision{Reason: devv1.ReasonWaitingForNode, RequeueAt: in(15 * time.Second)}
	for name, tc := range map[string]struct {
		reason string
		f      agentupdate.Facts
		want   decision
	}{
		"current":                       {"nothing to do", facts(pod(updated())), decision{}},
		"previous version's pod":        {"it has no container for SSH", facts(pod(agentupdate.Pod{Ready: true})), decision{}},
		"no recorded agent":             {"an admission plugin may have changed its image", facts(pod(outdated(func(p *agentupdate.Pod) { p.Agent = "" }))), decision{}},
		"rewritten image":               {"an admission plugin gave the pod the image of a mirror", facts(pod(updated(func(p *agentupdate.Pod) { p.Image = "mirror/" + after }))), decision{}},
		"OnRestart":                     {"only a restart updates it", facts(mode(agentupdate.OnRestart)), decision{AtRestart: true}},
		"no mode":                       {"the zero value is the safe one", facts(mode("")), decision{AtRestart: true}},
		"idle":                          {"nobody is disturbed", facts(), start},
		"sessions":                      {"it waits", facts(sessions(1)), waiting},
		"no report":                     {"unknown counts as active", facts(noReport), waiting},
		"just seen":                     {"the deadline counts from now", facts(sessions(1), outdatedFor(0)), decision{Reason: waiting.Reason, RequeueAt: in(time.Hour)}},
		"seen in the future":            {"so it does if the clock was set back", facts(sessions(1), outdatedFor(-time.Hour)), decision{Reason: waiting.Reason, RequeueAt: in(time.Hour)}},
		"deadline":                      {"it warns first", facts(sessions(1), outdatedFor(time.Hour)), warn},
		"deadline, no report":           {"terminals may be open", facts(noReport, outdatedFor(time.Hour)), warn},
		"deadline, idle":                {"there is nobody to warn", facts(outdatedFor(time.Hour)), start},
		"warned a moment ago":           {"it goes on warning", facts(sessions(1), outdatedFor(time.Hour), warned(time.Second)), decision{Act: warn.Act, Reason: warn.Reason, WarnedAt: in(-time.Second), RequeueAt: in(59 * time.Second)}},
		"warned in the future":          {"it warns anew if the clock was set back", facts(sessions(1), outdatedFor(time.Hour), warned(-time.Hour)), warn},
		"warned":                        {"the warning was shown for long enough", facts(sessions(1), outdatedFor(time.Hour), warned(agentupdate.WarningTime)), start},
		"Always":                        {"it warns at once", facts(mode(agentupdate.Always), sessions(1)), warn},
		"Always, idle":                  {"there is nobody to warn", facts(mode(agentupdate.Always)), start},
		"not ready":                     {"its agent may have started a moment ago", facts(pod(outdated(notReady))), decision{Reason: devv1.ReasonWaitingForServer}},
		"about to stop":                 {"the next start has the new agent", facts(stops), decision{Reason: devv1.ReasonWaitingForServer}},
		"image not on the node":         {"the kubelet would stop the server before pulling", facts(others(outdated())), startPull},
		"alone on the node":             {"nothing shows the image", facts(others()), startPull},
		"image of an unfinished update": {"its container may still run the old image", facts(others(outdated(since(time.Second)))), startPull},
		"image of a waiting pod":        {"its container does not run", facts(others(updated(notReady, func(p *agentupdate.Pod) { p.Running = false }))), startPull},
		"pulling":                       {"it waits", facts(pull(agentupdate.Pulling, time.Minute)), decision{Reason: devv1.ReasonPullingImage, RequeueAt: in(15 * time.Second)}},
		"pulling again":                 {"it is reported, and looked at again", facts(pullRepeated), decision{Reason: devv1.ReasonAgentUpdateFailed, RequeueAt: in(15 * time.Second)}},
		"pulled":                        {"the image is on the node", facts(pull(agentupdate.Pulled, time.Minute)), start},
		"pulled long ago":               {"the kubelet may have deleted the image", facts(pull(agentupdate.Pulled, time.Hour)), startPull},
		"pull failed":                   {"it waits", facts(pull(agentupdate.PullFailed, time.Minute)), decision{Reason: devv1.ReasonAgentUpdateFailed, RequeueAt: in(59 * time.Minute)}},
		"pull failed long ago":          {"the registry may answer again", facts(pull(agentupdate.PullFailed, time.Hour)), startPull},
		"sessions, image missing":       {"nothing is pulled before it is required", facts(sessions(1), others()), waiting},
		"another one is updated":        {"one server per node first", facts(others(updated(notReady), outdated(since(time.Second), notReady))), forNode},
		"another one proved it":         {"the new agent works on the node", facts(others(updated(), outdated(since(time.Second), notReady))), start},
		"another one failed":            {"the image is not tried again on the node", facts(others(updated(), outdated(failedTo(after)))), failed},
		"another one failed before":     {"that was another image", facts(others(updated(), outdated(failedTo("agent:0")))), start},
		"it failed":                     {"the image is not tried again", facts(pod(outdated(failedTo(after)))), failed},
		"it failed before":              {"that was another image", facts(pod(outdated(failedTo("agent:0")))), start},
		"under way":                     {"the new agent starts", facts(pod(outdated(since(time.Minute), notReady))), decision{Reason: starting.Reason, Updating: true, RequeueAt: in(4 * time.Minute)}},
		"under way, old container":      {"it has not been stopped yet", facts(pod(outdated(since(time.Second)))), decision{Reason: starting.Reason, Updating: true, RequeueAt: in(agentupdate.Patience - time.Second)}},
		"answers":                       {"the update succeeded", facts(pod(outdated(since(time.Minute), restarted))), decision{Act: agentupdate.ActFinish}},
		"answers late":                  {"late is good enough", facts(pod(outdated(since(time.Hour), restarted))), decision{Act: agentupdate.ActFinish}},
		"cannot be pulled":              {"the old image comes back at once", facts(pod(outdated(since(time.Second), notReady, func(p *agentupdate.Pod) { p.Problem = "ErrImagePull: no" }))), decision{Act: agentupdate.ActRollBack, Reason: starting.Reason, Updating: true, Cause: "ErrImagePull: no"}},
		"does not answer":               {"the old image comes back", facts(pod(outdated(since(agentupdate.Patience), notReady, restarted))), decision{Act: agentupdate.ActRollBack, Reason: starting.Reason, Updating: true, Cause: "it was not ready within 5m"}},
		"under way, then OnRestart":     {"what has started is finished", facts(mode(agentupdate.OnRestart), pod(outdated(since(time.Minute), restarted))), decision{Act: agentupdate.ActFinish}},
		"under way, then rolled back":   {"the operator was downgraded meanwhile", facts(pod(outdated(since(time.Minute), restarted)), func(f *agentupdate.Facts) { f.Image = before }), decision{Act: agentupdate.ActFinish}},
	} {
		t.Run(name, func(t *testing.T) {
			got := agentupdate.Decide(tc.f, now)
			if (got.Reason == "") != (got.Message == "") || (got.Act == agentupdate.ActWarn) != (got.Warning != "") {
				t.Errorf("the decision is incomplete: %+v", got)
			}
			got.Message, got.Warning = "", ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// The messages have the names and the times.
func TestWords(t *testing.T) {
	for name, tc := range map[string]struct {
		f    agentupdate.Facts
		want string
	}{
		"sessions":           {facts(sessions(1)), "at 2026-03-01 12:59 UTC at the latest"},
		"it failed":          {facts(pod(outdated(failedTo(after)))), "ErrImagePull"},
		"another one failed": {facts(others(outdated(failedTo(after)))), "node-1"},
		"pull failed":        {facts(pull(agentupdate.PullFailed, time.Minute)), "node-1 cannot pull or start the new agent, image agent:2, and tries again at least every hour. Running servers keep the previous one. Cause: no such image"},
		"warning":            {facts(mode(agentupdate.Always), sessions(1)), "at 2026-03-01 12:01 UTC"},
	} {
		if d := agentupdate.Decide(tc.f, now); !strings.Contains(d.Message, tc.want) || (d.Warning != "" && !strings.Contains(d.Warning, tc.want)) {
			t.Errorf("%s: %q, %q, want %q", name, d.Message, d.Warning, tc.want)
		}
	}
}

func TestPodOf(t *testing.T) {
	update := agentupdate.Update{Image: after, From: before, StartedAt: metav1.NewTime(now.Local()), Restarts: 3}
	whole := func() *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{
			objects.AnnotationAgentImage: before, objects.AnnotationAgentUpdate: update.String(),
		}}}
		p.Spec.Containers = []corev1.Container{{Name: objects.ServerContainer, Image: "server:1"}, {Name: objects.SSHContainer, Image: after}}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{
			{Name: objects.ServerContainer, RestartCount: 7},
			{Name: objects.SSHContainer, Ready: true, RestartCount: 4, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		}
		return p
	}
	want := agentupdate.Pod{Agent: before, Image: after, Update: &update, Ready: true, Running: true, Restarts: 4}
	for name, tc := range map[string]struct {
		edit func(*corev1.Pod)
		want func(*agentupdate.Pod)
	}{
		"whole":            {func(*corev1.Pod) {}, func(*agentupdate.Pod) {}},
		"no SSH container": {func(p *corev1.Pod) { p.Spec.Containers, p.Status.ContainerStatuses = nil, nil }, func(p *agentupdate.Pod) { *p = agentupdate.Pod{Agent: before, Update: &update} }},
		"not an update":    {func(p *corev1.Pod) { p.Annotations[objects.AnnotationAgentUpdate] = "{}" }, func(p *agentupdate.Pod) { p.Update = nil }},
		"waits": {func(p *corev1.Pod) {
			p.Status.ContainerStatuses[1].Ready = false
			p.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}}
		}, func(p *agentupdate.Pod) { p.Ready, p.Running, p.Problem = false, false, "ErrImagePull: not found" }},
		"waits to try again": {func(p *corev1.Pod) {
			p.Status.ContainerStatuses[1].Ready = false
			p.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "ImagePullBackOff", Message: `Back-off pulling image "agent:2": ErrImagePull: not found`,
			}}
		}, func(p *agentupdate.Pod) { p.Ready, p.Running, p.Problem = false, false, "ErrImagePull: not found" }},
		"crashes": {func(p *corev1.Pod) {
			c := &p.Status.ContainerStatuses[1]
			c.Ready, c.State = false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s restarting failed container=ssh pod=x"}}
			c.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 3, Message: "no such option\n"}
		}, func(p *agentupdate.Pod) {
			p.Ready, p.Running, p.Problem = false, false, "Error, exit code 3: no such option"
		}},
		"the old container ends": {func(p *corev1.Pod) {
			c := &p.Status.ContainerStatuses[1]
			c.Ready, c.State = false, corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 143}}
		}, func(p *agentupdate.Pod) { p.Ready, p.Running = false, false }},
		"is being created": {func(p *corev1.Pod) {
			p.Status.ContainerStatuses[1].Ready = false
			p.Status.ContainerStatuses[1].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
		}, func(p *agentupdate.Pod) { p.Ready, p.Running = false, false }},
	} {
		p, expected := whole(), want
		tc.edit(p)
		tc.want(&expected)
		if diff := cmp.Diff(expected, agentupdate.PodOf(p)); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}
