package gateway

import (
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the gateway's metrics. No label names a user or a server: the log
// does.
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
		logins:      counters("logins_total", "Logins, by result: ok, refused (no offered key opens a server), failed (the handshake did not finish), too_many (over the limit of logins in progress, or of the connections of the user or of all users) or stopping.", "result"),
		connections: gauge("connections", "Connections that are logged in now."),
		channels:    counters("channels_total", "Channels that clients requested, by result: ok or refused (the target is no server that the key opens, the server cannot be reached, or a limit is exceeded).", "result"),
		tunnels:     gauge("tunnels", "Connections through the gateway to servers that are open now."),
		bytes:       counters("bytes_total", "Bytes carried, by direction: to_server or from_server.", "direction"),
		wakes:       counters("wakes_total", "Requests to wake a suspended server, by result: ok or failed.", "result"),
		woken: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "devserver", Subsystem: "gateway", Name: "wake_seconds",
			Help:    "Seconds that clients waited for a suspended server until its SSH server accepted the connection.",
			Buckets: []float64{1, 2, 3, 5, 8, 12, 20, 30, 60, 120, 300},
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts(opts("panics_total", "Panics of the gateway. Each ended one connection."))),
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

// counted counts bytes when they are written, because a session can last for days.
type counted struct {
	io.Writer
	bytes prometheus.Counter
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.bytes.Add(float64(n))
	return n, err
}

// CloseWrite ends the direction that is written to, if the Writer supports that.
func (c counted) CloseWrite() error {
	if half, ok := c.Writer.(closeWriter); ok {
		return half.CloseWrite()
	}
	return nil
}
