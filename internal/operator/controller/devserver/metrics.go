package devserver

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	devv1 "devserver.io/devserver/api/v1"
)

// Metrics counts the cluster's DevServers, from the watch cache, when Prometheus
// scrapes. There is no series for each server: clusters have thousands.
type Metrics struct {
	Client client.Reader
}

var (
	serversByPhase = prometheus.NewDesc("devserver_servers",
		"DevServers by flavor and phase.", []string{"flavor", "phase"}, nil)
	serversByActivity = prometheus.NewDesc("devserver_servers_activity",
		"Running DevServers whose activity is tracked, by flavor and by the reason of their condition Active: Active, KeptAwake, Idle, AgentUnreachable, AgentOutdated.",
		[]string{"flavor", "reason"}, nil)
	homesFull = prometheus.NewDesc("devserver_homes_full",
		"DevServers whose home directory is full.", nil, nil)
	restartsPending = prometheus.NewDesc("devserver_restarts_pending",
		"DevServers whose settings or agent change at their next start, by flavor.", []string{"flavor"}, nil)

	stopsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "devserver_stops_total",
		Help: "Suspensions of DevServers since the operator started, by cause: Suspended, Idle, Scheduled, Expired.",
	}, []string{"cause"})
)

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{serversByPhase, serversByActivity, homesFull, restartsPending} {
		ch <- d
	}
	stopsTotal.Describe(ch)
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
	count := countServers(list.Items)
	for key, n := range count.phases {
		ch <- prometheus.MustNewConstMetric(serversByPhase, prometheus.GaugeValue, n, key[0], key[1])
	}
	for key, n := range count.activity {
		ch <- prometheus.MustNewConstMetric(serversByActivity, prometheus.GaugeValue, n, key[0], key[1])
	}
	for flavor, n := range count.pending {
		ch <- prometheus.MustNewConstMetric(restartsPending, prometheus.GaugeValue, n, flavor)
	}
	ch <- prometheus.MustNewConstMetric(homesFull, prometheus.GaugeValue, count.full)
}

type serverCount struct {
	phases, activity map[[2]string]float64
	pending          map[string]float64
	full             float64
}

func countServers(servers []devv1.DevServer) serverCount {
	c := serverCount{phases: map[[2]string]float64{}, activity: map[[2]string]float64{}, pending: map[string]float64{}}
	for i := range servers {
		s := &servers[i].Status
		if s.Phase == "" {
			continue // No pass has looked at it yet.
		}
		c.phases[[2]string{s.Flavor, string(s.Phase)}]++
		if active := meta.FindStatusCondition(s.Conditions, devv1.ConditionActive); active != nil {
			c.activity[[2]string{s.Flavor, active.Reason}]++
		}
		if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionRestartPending) {
			c.pending[s.Flavor]++
		}
		if meta.IsStatusConditionTrue(s.Conditions, devv1.ConditionHomeFull) {
			c.full++
		}
	}
	return c
}
