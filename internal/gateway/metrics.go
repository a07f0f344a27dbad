package gateway

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what the gateway counts of itself. No label has a person or a
// box: the audit lines have those.
type metrics struct {
	registry *prometheus.Registry

	logins      *prometheus.CounterVec // by result
	connections prometheus.Gauge
	channels    *prometheus.CounterVec // by result
	tunnels     prometheus.Gauge
	bytes       *prometheus.CounterVec // by direction
	wakes       *prometheus.CounterVec // by result
	woken       prometheus.Histogram
	panics      prometheus.Counter
}

// Results of logins and channels.
const (
	resultOK       = "ok"
	resultRefused  = "refused"
	resultFailed   = "failed"
	resultTooMany  = "too_many"
	resultStopping = "stopping"
)

func newMetrics() *metrics {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "devserver", Subsystem: "gateway", Name: name, Help: help}
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help)))
	}
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		logins:      counters("logins_total", "Connections by how their login ended: ok, refused (no key that opens anything), failed (the handshake was not finished), too_many or stopping.", "result"),
		connections: gauge("connections", "Connections that are logged in."),
		channels:    counters("channels_total", "Ways to boxes that clients asked for, by what came of it: ok or refused.", "result"),
		tunnels:     gauge("tunnels", "Ways to boxes that are open."),
		bytes:       counters("bytes_total", "Bytes carried, by their direction: to_box or from_box.", "direction"),
		wakes:       counters("wakes_total", "Boxes that were asked to wake, by what came of the request: ok or failed.", "result"),
		woken: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "devserver", Subsystem: "gateway", Name: "wake_seconds",
			Help:    "Time that clients waited for a box that slept when they asked, until its SSH server took the connection.",
			Buckets: []float64{1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300},
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts(opts("panics_total", "Connections that were ended by a fault of the gateway."))),
	}
	m.registry.MustRegister(m.logins, m.connections, m.channels, m.tunnels, m.bytes, m.wakes, m.woken, m.panics,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handler serves /metrics.
func (m *metrics) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return mux
}

func result(err error) string {
	if err != nil {
		return resultFailed
	}
	return resultOK
}

// counted counts what is written, while it is: a session may last for days.
type counted struct {
	io.Writer
	bytes prometheus.Counter
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes.Add(float64(n))
	return n, err
}

// CloseWrite ends what is written to, if it can end for itself.
func (c counted) CloseWrite() error {
	if half, ok := c.Writer.(closeWriter); ok {
		return half.CloseWrite()
	}
	return nil
}
