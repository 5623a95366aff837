package web

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics measures the requests of routers. Other packages add what they measure to Registry, which is not the global one, so
// that two brokers in one process do not count together.
type Metrics struct {
	Registry *prometheus.Registry
	duration *prometheus.HistogramVec
}

// buckets, in seconds: a machine token takes a fraction of a millisecond, a password some hundred, a long poll up to a minute.
var buckets = []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}

// NewMetrics makes a registry with the measurements of requests, of the Go runtime and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "gatehouse_http_request_duration_seconds",
			Help:    "Time from the header of a request to the end of its handler, by route and class of status.",
			Buckets: buckets,
		}, []string{"route", "status"}),
	}
	m.Registry.MustRegister(m.duration, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// AddLimiter publishes the state of l. Two limiters of one registry have different names.
func (m *Metrics) AddLimiter(l *Limiter) {
	labels := prometheus.Labels{"class": l.name}
	m.Registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_http_requests_working", Help: "Requests that hold a slot of their class.", ConstLabels: labels,
		}, func() float64 { return float64(l.State().Working) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "gatehouse_http_requests_waiting", Help: "Requests that wait for a slot of their class.", ConstLabels: labels,
		}, func() float64 { return float64(l.State().Waiting) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "gatehouse_http_requests_refused_total", Help: "Requests refused because their class was at capacity.", ConstLabels: labels,
		}, func() float64 { return float64(l.State().Refused) }),
	)
}

// routeMetrics holds the histograms of one route by class of status, each made when it is first needed and found without a
// search ever after.
type routeMetrics struct {
	vec     *prometheus.HistogramVec
	route   string
	classes [6]atomic.Pointer[prometheus.Observer]
}

var statusClasses = [6]string{"other", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (m *Metrics) route(name string) *routeMetrics {
	if m == nil {
		return nil
	}
	return &routeMetrics{vec: m.duration, route: name}
}

func (m *routeMetrics) observe(status int, took time.Duration) {
	if m == nil {
		return
	}
	class := status / 100
	if class < 1 || class > 5 {
		class = 0
	}
	o := m.classes[class].Load()
	if o == nil {
		made := m.vec.WithLabelValues(m.route, statusClasses[class])
		o = &made
		m.classes[class].Store(o) // Whoever else makes it gets the same histogram from the vector.
	}
	(*o).Observe(took.Seconds())
}
