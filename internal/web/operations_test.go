package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

func operations(t *testing.T, log slog.Handler, metrics *web.Metrics, checks ...web.Check) (*web.Router, *web.Readiness) {
	t.Helper()
	readiness := web.NewReadiness(checks...)
	router, err := web.NewOperations(log, metrics, readiness)
	if err != nil {
		t.Fatal(err)
	}
	return router, readiness
}

type readyz struct {
	Ready  bool
	Checks map[string]string
}

func askReady(t *testing.T, h http.Handler) (int, readyz) {
	t.Helper()
	w := do(h, httptest.NewRequest("GET", "/readyz", nil))
	var body readyz
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return w.Code, body
}

// Readiness names what fails and why, in words meant to be shown; the rest is in the log. A check that hangs is given up.
// Liveness does not depend on any of it.
func TestReadyzNamesWhatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store, keys error
		var hang atomic.Int64 // the check that is left behind still reads it
		log := new(lines)
		h, readiness := operations(t, log.handler(), web.NewMetrics(),
			web.Check{Name: "store", Run: func(context.Context) error { return store }},
			web.Check{Name: "keys", Run: func(context.Context) error { return keys }},
			web.Check{Name: "peer", Run: func(context.Context) error { time.Sleep(time.Duration(hang.Load())); return nil }})
		want := func(status int, checks map[string]string) {
			t.Helper()
			code, got := askReady(t, h)
			if code != status || got.Ready != (status == 200) || !reflect.DeepEqual(got.Checks, checks) {
				t.Errorf("got %d %v, want %d %v", code, got, status, checks)
			}
		}
		want(200, map[string]string{"store": "ok", "keys": "ok", "peer": "ok"})
		if log.String() != "" {
			t.Errorf("a probe that went well is logged: %s", log)
		}
		store = iam.Errorf(iam.Unavailable, "the store does not answer").WithCause(errors.New("redis://user:SECRET@host"))
		keys = errors.New("kek SECRET")
		want(503, map[string]string{"store": "the store does not answer", "keys": "failed; the log has the details", "peer": "ok"})
		if line := log.only(t); !strings.Contains(line["check_keys"].(string), "kek") || line["level"] != "WARN" {
			t.Errorf("got %v", line)
		}
		store, keys = nil, nil
		hang.Store(int64(time.Minute))
		begin := time.Now()
		want(503, map[string]string{"store": "ok", "keys": "ok", "peer": "no answer in time"})
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("the probe took %v", took)
		}
		if w := do(h, httptest.NewRequest("GET", "/healthz", nil)); w.Code != 200 {
			t.Errorf("healthz: got %d", w.Code)
		}
		hang.Store(0)
		readiness.Drain()
		want(503, map[string]string{"store": "ok", "keys": "ok", "peer": "ok", "drain": "the process is ending"})
		time.Sleep(time.Minute) // the check that was left behind ends
	})
}

// Requests are counted and timed by route and class, limiters show their state, and the registry is the broker's own.
func TestMetricsCountRequestsByRouteAndClass(t *testing.T) {
	metrics := web.NewMetrics()
	limiter := web.NewLimiterOf("token", 3, 0, time.Second)
	metrics.AddLimiter(limiter)
	_ = limiter.Acquire(t.Context())
	router := newRouter(t, web.RouterConfig{Metrics: metrics}, get("/ok/{id}", ok), get("/bad", func(http.ResponseWriter, *http.Request) error {
		return iam.Errorf(iam.Conflict, "no")
	}))
	for _, path := range []string{"/ok/1", "/ok/2", "/bad", "/SECRET"} {
		do(router, httptest.NewRequest("GET", path, nil))
	}
	h, _ := operations(t, slog.DiscardHandler, metrics)
	text := do(h, httptest.NewRequest("GET", "/metrics", nil)).Body.String()
	for _, want := range []string{
		`gatehouse_http_request_duration_seconds_count{route="/ok/{id}",status="2xx"} 2`,
		`gatehouse_http_request_duration_seconds_count{route="/bad",status="4xx"} 1`,
		`gatehouse_http_request_duration_seconds_count{route="unknown",status="4xx"} 1`,
		`gatehouse_http_requests_working{class="token"} 1`,
		`gatehouse_http_requests_waiting{class="token"} 0`,
		`gatehouse_http_requests_refused_total{class="token"} 0`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(text, "SECRET") {
		t.Error("a stranger's path is a label")
	}
	if other := do(firstOf(operations(t, slog.DiscardHandler, web.NewMetrics())), httptest.NewRequest("GET", "/metrics", nil)).Body.String(); strings.Contains(other, "/bad") {
		t.Error("two brokers count together")
	}
}

func firstOf(r *web.Router, _ *web.Readiness) *web.Router { return r }

// Profiles are there for operators, the command line with what may stand in it is not (SEC-08), and nothing of all this is on a
// public router.
func TestOperationsAreNotPublic(t *testing.T) {
	h, _ := operations(t, slog.DiscardHandler, web.NewMetrics())
	public := newRouter(t, web.RouterConfig{}, get("/", ok))
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 200, "/metrics": 200, "/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/goroutine": 200,
		"/debug/pprof/symbol": 200, "/debug/pprof/cmdline": 404, "/debug/pprof": 404, "/": 404,
	} {
		if w := do(h, httptest.NewRequest("GET", path, nil)); w.Code != want {
			t.Errorf("operations %s: got %d want %d", path, w.Code, want)
		}
		if w := do(public, httptest.NewRequest("GET", path, nil)); path != "/" && w.Code != 404 {
			t.Errorf("public %s: got %d", path, w.Code)
		}
	}
}
