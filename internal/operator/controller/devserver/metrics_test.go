package devserver_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	devv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/operator/controller/devserver"
	"devserver.io/devserver/internal/testing/apiserver"
)

// Each suspension of a server is counted once, by its cause.
func TestStopsAreCounted(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&devserver.Metrics{Client: fake.NewClientBuilder().WithScheme(apiserver.Scheme(t)).Build()})
	count := func(cause string) (n float64) {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			for _, metric := range family.Metric {
				if family.GetName() == "devserver_stops_total" && metric.Label[0].GetValue() == cause {
					n += metric.GetCounter().GetValue()
				}
			}
		}
		return n
	}
	before := map[string]float64{devv1.ReasonIdle: count(devv1.ReasonIdle), devv1.ReasonSuspended: count(devv1.ReasonSuspended)}
	w := newWorld(t)
	w.suspendedForBeingIdle()
	w.settled()
	w.edit(func(s *devv1.DevServerSpec) { s.Suspend = true })
	w.settled()
	for cause, was := range before {
		if got := count(cause) - was; got != 1 {
			t.Errorf("%g stops are counted for %s, want 1", got, cause)
		}
	}
}

func TestMetrics(t *testing.T) {
	server := func(name, flavor string, phase devv1.DevServerPhase, conditions ...metav1.Condition) *devv1.DevServer {
		d := &devv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}}
		d.Status = devv1.DevServerStatus{Flavor: flavor, Phase: phase, Conditions: conditions}
		return d
	}
	agent := func(version string, d *devv1.DevServer) *devv1.DevServer {
		d.Status.AgentVersion = version
		return d
	}
	condition := func(kind, reason string, state metav1.ConditionStatus) metav1.Condition {
		return metav1.Condition{Type: kind, Reason: reason, Status: state}
	}
	c := fake.NewClientBuilder().WithScheme(apiserver.Scheme(t)).WithObjects(
		server("one", "gpu", devv1.PhaseRunning, condition(devv1.ConditionActive, devv1.ReasonActive, metav1.ConditionTrue)),
		server("two", "gpu", devv1.PhaseRunning, condition(devv1.ConditionActive, devv1.ReasonIdle, metav1.ConditionFalse),
			condition(devv1.ConditionHomeFull, devv1.ReasonHomeFull, metav1.ConditionTrue)),
		server("three", "gpu", devv1.PhaseSuspended),
		agent("0.1.0", server("five", "cpu", devv1.PhaseRunning, condition(devv1.ConditionAgentUpdatePending, devv1.ReasonWaitingForSessions, metav1.ConditionTrue))),
		agent("0.2.0", server("six", "cpu", devv1.PhaseRunning, condition(devv1.ConditionAgentUpdatePending, devv1.ReasonUpToDate, metav1.ConditionFalse))),
		agent("0.1.0", server("seven", "cpu", devv1.PhaseSuspended)),
		server("four", "cpu", devv1.PhaseRunning, condition(devv1.ConditionRestartPending, devv1.ReasonSettingsChanged, metav1.ConditionTrue)),
		server("new", "", ""),
	).Build()
	want := `
# HELP devserver_agent_updates_pending DevServers whose agent waits for an update while they run, or whose update failed, by the reason of their condition AgentUpdatePending: WaitingForSessions, WaitingForServer, WaitingForNode, PullingImage, UpdatingAgent, AgentUpdateFailed.
# TYPE devserver_agent_updates_pending gauge
devserver_agent_updates_pending{reason="WaitingForSessions"} 1
# HELP devserver_agents Running DevServers by the version of their agent.
# TYPE devserver_agents gauge
devserver_agents{version="0.1.0"} 1
devserver_agents{version="0.2.0"} 1
# HELP devserver_homes_full DevServers whose home directory is full.
# TYPE devserver_homes_full gauge
devserver_homes_full 1
# HELP devserver_restarts_pending DevServers whose settings or agent change at their next start, by flavor.
# TYPE devserver_restarts_pending gauge
devserver_restarts_pending{flavor="cpu"} 1
# HELP devserver_servers DevServers by flavor and phase.
# TYPE devserver_servers gauge
devserver_servers{flavor="cpu",phase="Running"} 3
devserver_servers{flavor="cpu",phase="Suspended"} 1
devserver_servers{flavor="gpu",phase="Running"} 2
devserver_servers{flavor="gpu",phase="Suspended"} 1
# HELP devserver_servers_activity Running DevServers whose activity is tracked, by flavor and by the reason of their condition Active: Active, KeptAwake, Idle, AgentUnreachable, AgentOutdated.
# TYPE devserver_servers_activity gauge
devserver_servers_activity{flavor="gpu",reason="Active"} 1
devserver_servers_activity{flavor="gpu",reason="Idle"} 1
`
	err := testutil.CollectAndCompare(&devserver.Metrics{Client: c}, strings.NewReader(want),
		"devserver_agents", "devserver_agent_updates_pending", "devserver_homes_full", "devserver_restarts_pending", "devserver_servers", "devserver_servers_activity")
	if err != nil {
		t.Error(err)
	}
}
