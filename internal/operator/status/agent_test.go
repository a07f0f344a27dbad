package status_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/agentapi"
	"devserver.io/devserver/internal/operator/agentupdate"
	"devserver.io/devserver/internal/operator/status"
)

// The condition exists once an update was pending, and an unknown decision changes
// nothing. If only a restart updates the agent, a restart is pending.
func TestAgentUpdatePending(t *testing.T) {
	waiting := agentupdate.Decision{Reason: devv1.ReasonWaitingForSessions, Message: "It waits."}
	was := devServer(func(d *devv1.DevServer) {
		meta.SetStatusCondition(&d.Status.Conditions, metav1.Condition{
			Type: devv1.ConditionAgentUpdatePending, Status: metav1.ConditionTrue, Reason: devv1.ReasonUpdatingAgent,
		})
	})
	for name, tc := range map[string]struct {
		d       *devv1.DevServer
		agent   *agentupdate.Decision
		pod     *corev1.Pod
		reason  string
		pending bool
		restart bool
	}{
		"never":           {devServer(), &agentupdate.Decision{}, pod(podReady), "", false, false},
		"waits":           {devServer(), &waiting, pod(podReady), devv1.ReasonWaitingForSessions, true, false},
		"over":            {was, &agentupdate.Decision{}, pod(podReady), devv1.ReasonUpToDate, false, false},
		"unknown":         {was, nil, pod(podReady), devv1.ReasonUpdatingAgent, true, false},
		"at a restart":    {was, &agentupdate.Decision{AtRestart: true}, pod(podReady), devv1.ReasonUpToDate, false, true},
		"being restarted": {was, &agentupdate.Decision{AtRestart: true}, pod(podReady, deleted), devv1.ReasonUpToDate, false, false},
		"no pod":          {was, &agentupdate.Decision{}, nil, devv1.ReasonUpToDate, false, false},
	} {
		got := status.Compute(tc.d, status.Observed{StatefulSet: set(), Pod: tc.pod, Agent: tc.agent}, now)
		c := ptr.Deref(meta.FindStatusCondition(got.Conditions, devv1.ConditionAgentUpdatePending), metav1.Condition{})
		if c.Reason != tc.reason || (c.Status == metav1.ConditionTrue) != tc.pending {
			t.Errorf("%s: the condition is %s, %s, want %s, %t", name, c.Status, c.Reason, tc.reason, tc.pending)
		}
		if restart := meta.IsStatusConditionTrue(got.Conditions, devv1.ConditionRestartPending); restart != tc.restart {
			t.Errorf("%s: RestartPending is %t, want %t", name, restart, tc.restart)
		}
	}
}

// While the new SSH server starts, the server is Starting, unless its main container
// does not run.
func TestPhaseDuringAgentUpdate(t *testing.T) {
	running := corev1.ContainerStatus{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}, Started: new(true)}
	crashed := corev1.ContainerStatus{State: waiting("CrashLoopBackOff", "")}
	for name, tc := range map[string]struct {
		container corev1.ContainerStatus
		updating  bool
		phase     devv1.DevServerPhase
		reason    string
	}{
		"updating":          {running, true, devv1.PhaseStarting, devv1.ReasonStarting},
		"stopped answering": {running, false, devv1.PhaseFailed, devv1.ReasonNotAnswering},
		"crashed meanwhile": {crashed, true, devv1.PhaseFailed, devv1.ReasonCrashLoop},
	} {
		o := status.Observed{StatefulSet: set(), Pod: pod(serverStatus(tc.container)), Agent: &agentupdate.Decision{Updating: tc.updating}}
		got := status.Compute(devServer(ranBefore), o, now)
		if reason := meta.FindStatusCondition(got.Conditions, devv1.ConditionReady).Reason; got.Phase != tc.phase || reason != tc.reason {
			t.Errorf("%s: %s, %s, want %s, %s", name, got.Phase, reason, tc.phase, tc.reason)
		}
	}
}

// The version is that of the running agent, and stays while the server is stopped.
func TestAgentVersion(t *testing.T) {
	version := func(d *devv1.DevServer, o status.Observed) string { return status.Compute(d, o, now).AgentVersion }
	had := devServer(func(d *devv1.DevServer) { d.Status.AgentVersion = "1" })
	report := &agentapi.Report{Version: "2\x1b"}
	got := []string{
		version(had, status.Observed{StatefulSet: set(), Pod: pod(podReady), Report: report}),
		version(had, status.Observed{StatefulSet: set(), Pod: pod(podReady)}),
		version(had, status.Observed{StatefulSet: set()}),
	}
	if diff := cmp.Diff([]string{`2\x1b`, "1", "1"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
