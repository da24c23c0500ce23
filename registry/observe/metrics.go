// Package observe counts requests for /metrics, and writes the access log.
package observe

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are what /metrics shows. No label holds a name of a project, a
// repository or a user: the page needs no sign-in.
type Metrics struct {
	registry *prometheus.Registry
	inFlight prometheus.Gauge
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	sent     prometheus.Counter
	trace    Tracer
}

// Tracer is told of requests: done is called when the one that Begin returns is
// answered.
type Tracer interface {
	Begin(r *http.Request) (_ *http.Request, done func(status int, sent int64))
}

// Trace tells t of the requests that follow; nil tells nobody.
func (m *Metrics) Trace(t Tracer) { m.trace = t }

// New returns metrics that count nothing yet.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "cove_registry_requests_in_flight", Help: "Requests being answered now.",
		}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cove_registry_requests_total", Help: "Requests answered, by method and status.",
		}, []string{"method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cove_registry_request_seconds", Help: "Time to the end of an answer, by method.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"method"}),
		sent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "cove_registry_sent_bytes_total", Help: "Bytes of answers' bodies.",
		}),
	}
	m.registry.MustRegister(m.inFlight, m.requests, m.seconds, m.sent,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) observe(method string, status int, took time.Duration, sent int64) {
	method = knownMethod(method)
	m.requests.WithLabelValues(method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(method).Observe(took.Seconds())
	m.sent.Add(float64(sent))
}

// knownMethod keeps strangers from making labels.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodPatch, http.MethodDelete:
		return method
	}
	return "other"
}

// Handler serves /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
