package devserver

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// Metrics counts the cluster's DevServers, from the watch cache, when Prometheus
// scrapes. There is no series for each server: clusters have thousands.
type Metrics struct {
	Client client.Reader
}

var stopsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "devserver_stops_total",
	Help: "Suspensions of DevServers since the operator started, by cause: Suspended, Idle, Scheduled, Expired.",
}, []string{"cause"})

// gauges are the counts of one scrape.
type gauges struct {
	servers, activity, restartsPending, agents, agentUpdates *prometheus.GaugeVec
	homesFull                                                prometheus.Gauge
}

func newGauges() gauges {
	vec := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	return gauges{
		servers: vec("devserver_servers", "DevServers by flavor and phase.", "flavor", "phase"),
		activity: vec("devserver_servers_activity",
			"Running DevServers whose activity is tracked, by flavor and by the reason of their condition Active: Active, KeptAwake, Idle, AgentUnreachable, AgentOutdated.",
			"flavor", "reason"),
		restartsPending: vec("devserver_restarts_pending", "DevServers whose settings or agent change at their next start, by flavor.", "flavor"),
		agents:          vec("devserver_agents", "Running DevServers by the version of their agent.", "version"),
		agentUpdates: vec("devserver_agent_updates_pending",
			"DevServers whose agent waits for an update while they run, or whose update failed, by the reason of their condition AgentUpdatePending: WaitingForSessions, WaitingForServer, WaitingForNode, PullingImage, UpdatingAgent, AgentUpdateFailed.",
			"reason"),
		homesFull: prometheus.NewGauge(prometheus.GaugeOpts{Name: "devserver_homes_full", Help: "DevServers whose home directory is full."}),
	}
}

func (g gauges) all() []prometheus.Collector {
	return []prometheus.Collector{g.servers, g.activity, g.restartsPending, g.agents, g.agentUpdates, g.homesFull}
}

func (g gauges) count(s *devv1.DevServerStatus) {
	if s.Phase == "" {
		return // No pass has looked at it yet.
	}
	g.servers.WithLabelValues(s.Flavor, string(s.Phase)).Inc()
	if active := meta.FindStatusCondition(s.Conditions, devv1.ConditionActive); active != nil {
		g.activity.WithLabelValues(s.Flavor, active.Reason).Inc()
	}
	if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionRestartPending) {
		g.restartsPending.WithLabelValues(s.Flavor).Inc()
	}
	if s.Phase == devv1.PhaseRunning && s.AgentVersion != "" {
		g.agents.WithLabelValues(s.AgentVersion).Inc()
	}
	if update := meta.FindStatusCondition(s.Conditions, devv1.ConditionAgentUpdatePending); update != nil && update.Status == metav1.ConditionTrue {
		g.agentUpdates.WithLabelValues(update.Reason).Inc()
	}
	if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionHomeFull) {
		g.homesFull.Inc()
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range append(newGauges().all(), stopsTotal) {
		c.Describe(ch)
	}
}

// scrapeTimeout bounds the wait for a cache that has not synced yet.
const scrapeTimeout = 5 * time.Second

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	stopsTotal.Collect(ch)
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	list := &devv1.DevServerList{}
	if err := m.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.Log.WithName("metrics").Error(err, "Listing DevServers")
		return
	}
	g := newGauges()
	for i := range list.Items {
		g.count(&list.Items[i].Status)
	}
	for _, c := range g.all() {
		c.Collect(ch)
	}
}
