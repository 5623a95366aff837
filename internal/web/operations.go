package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Check is one condition of being ready, such as that the store answers. What Run returns is shown when it is an iam.Error,
// and otherwise only logged; nil is good.
type Check struct {
	Name string
	Run  func(ctx context.Context) error
}

// checkTimeout is the store's call budget: a probe that has not heard by then has heard enough.
const checkTimeout = 2 * time.Second

// Readiness says whether a balancer should send requests here. It is about the peers that this process needs and has no say in
// whether the process lives: restarting does not heal a store.
type Readiness struct {
	checks   []Check
	draining atomic.Bool
}

// NewReadiness makes a Readiness that is good when all checks are.
func NewReadiness(checks ...Check) *Readiness { return &Readiness{checks: checks} }

// Drain makes the process unready for good, the first step of ending it. Requests that still come are answered as ever.
func (rd *Readiness) Drain() { rd.draining.Store(true) }

// readinessBody is the answer of /readyz.
type readinessBody struct {
	Ready  bool              `json:"ready"`
	Checks map[string]string `json:"checks"`
}

func (rd *Readiness) answer(w http.ResponseWriter, r *http.Request) error {
	body := readinessBody{Ready: true, Checks: map[string]string{}}
	for i, err := range rd.run(r.Context()) {
		name := rd.checks[i].Name
		if body.Checks[name] = "ok"; err == nil {
			continue
		}
		body.Ready = false
		body.Checks[name] = reason(err)
		Add(r.Context(), slog.String("check_"+name, err.Error()))
	}
	if rd.draining.Load() {
		body.Ready = false
		body.Checks["drain"] = "the process is ending"
	}
	if body.Ready {
		return JSON(w, http.StatusOK, body)
	}
	return JSON(w, http.StatusServiceUnavailable, body)
}

// reason returns what may be shown of a failed check.
func reason(err error) string {
	var e *iam.Error
	switch {
	case errors.As(err, &e):
		return e.Message
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return "failed; the log has the details"
}

// run runs all checks at once. One that does not heed its context is reported and left behind, so that a probe always gets its
// answer in time.
func (rd *Readiness) run(ctx context.Context) []error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]chan error, len(rd.checks))
	for i, c := range rd.checks {
		results[i] = make(chan error, 1)
		go func() { results[i] <- c.Run(ctx) }()
	}
	errs := make([]error, len(rd.checks))
	for i := range results {
		select {
		case errs[i] = <-results[i]:
		case <-ctx.Done():
			errs[i] = ctx.Err()
		}
	}
	return errs
}

// NewOperations makes the handler of the operations listener: /healthz says that the process lives, /readyz that it can work,
// /metrics what it does, /debug/pprof what it is busy with. It is for operators alone and never mounted on a public listener.
func NewOperations(log slog.Handler, metrics *Metrics, readiness *Readiness) (*Router, error) {
	get := []string{http.MethodGet}
	return NewRouter(RouterConfig{Log: quiet{log}},
		Route{Methods: get, Path: "/healthz", Handler: alive},
		Route{Methods: get, Path: "/readyz", Handler: readiness.answer},
		Route{Methods: get, Path: "/metrics", Handler: FromHTTP(promhttp.HandlerFor(metrics.Registry, promhttp.HandlerOpts{}))},
		Route{Methods: get, Path: "/debug/pprof/", Prefix: true, Handler: FromHTTP(http.HandlerFunc(pprof.Index))},
		Route{Methods: get, Path: "/debug/pprof/profile", Handler: FromHTTP(http.HandlerFunc(pprof.Profile))},
		Route{Methods: get, Path: "/debug/pprof/trace", Handler: FromHTTP(http.HandlerFunc(pprof.Trace))},
		Route{Methods: []string{http.MethodGet, http.MethodPost}, Path: "/debug/pprof/symbol", Handler: FromHTTP(http.HandlerFunc(pprof.Symbol))},
	)
}

func alive(w http.ResponseWriter, _ *http.Request) error {
	return JSON(w, http.StatusOK, map[string]bool{"alive": true})
}

// quiet drops the log lines of probes and scrapes that went well: several a second say nothing.
type quiet struct{ slog.Handler }

// Enabled reports whether a line of this level is wanted.
func (q quiet) Enabled(ctx context.Context, level slog.Level) bool {
	return level > slog.LevelInfo && q.Handler.Enabled(ctx, level)
}
