package web_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// One request is one line, with what was done and by whom, and without anything that was sent (TOK-02).
func TestEventSaysWhatWasDoneAndNothingSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lines)
		router := newRouter(t, web.RouterConfig{Log: log.handler()}, web.Route{
			Methods: []string{"POST"}, Path: "/register/{id}", Form: &web.FormOptions{},
			Handler: func(w http.ResponseWriter, r *http.Request) error {
				time.Sleep(1500 * time.Microsecond)
				web.Add(r.Context(), slog.String("client_id", "release"), slog.String("long", strings.Repeat("x", 10_000)))
				_, err := io.WriteString(w, "SECRET-answer")
				return err
			},
		})
		r := httptest.NewRequest("POST", "/register/SECRET-path?client_secret=SECRET-query", strings.NewReader("client_secret=SECRET-body"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer SECRET-header")
		r.Header.Set("Cookie", "a=SECRET-cookie")
		w := do(router, r)
		if strings.Contains(log.String(), "SECRET") {
			t.Errorf("the log tells a secret: %s", log)
		}
		line := log.only(t)
		for key, want := range map[string]any{
			"method": "POST", "route": "/register/{id}", "status": 200.0, "duration_us": 1500.0, "bytes": 13.0, "peer": "192.0.2.1",
			"client_id": "release", "request_id": w.Header().Get("X-Request-Id"), "level": "INFO", "msg": "request",
		} {
			if line[key] != want {
				t.Errorf("%s: got %v want %v", key, line[key], want)
			}
		}
		if got := len(line["long"].(string)); got > 300 {
			t.Errorf("got %d bytes of one attribute", got)
		}
	})
}

// More attributes than the event has room for are all logged; those outside a request or after its end are dropped.
func TestAddKeepsEveryAttributeOfTheRequest(t *testing.T) {
	log := new(lines)
	var ctx context.Context
	router := newRouter(t, web.RouterConfig{Log: log.handler()}, get("/", func(_ http.ResponseWriter, r *http.Request) error {
		ctx = r.Context()
		for i := range 30 {
			web.Add(ctx, slog.Int(fmt.Sprintf("n%d", i), i))
		}
		return nil
	}))
	do(router, httptest.NewRequest("GET", "/", nil))
	web.Add(ctx, slog.String("late", "x"))
	web.Add(t.Context(), slog.String("outside", "x"))
	line := log.only(t)
	for i := range 30 {
		if key := fmt.Sprintf("n%d", i); line[key] != float64(i) {
			t.Errorf("%s: got %v", key, line[key])
		}
	}
	if line["late"] != nil || line["status"] != 200.0 {
		t.Errorf("got %v", line)
	}
}

// MIS-11: an inbound request id is kept when it is harmless and replaced when it is not; the answer and the log agree.
func TestRequestIDIsSanitised(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []string
		keep bool
	}{
		{"plain", []string{"req-01_A.b"}, true},
		{"64 bytes", []string{strings.Repeat("a", 64)}, true},
		{"65 bytes", []string{strings.Repeat("a", 65)}, false},
		{"10 KB", []string{strings.Repeat("a", 10_000)}, false},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"line break", []string{"a\r\nSet-Cookie: x"}, false},
		{"ANSI", []string{"\x1b[31mred"}, false},
		{"space", []string{"a b"}, false},
		{"quote", []string{`a"b`}, false},
		{"not ASCII", []string{"ä"}, false},
		{"two", []string{"a", "b"}, false},
	} {
		log := new(lines)
		router := newRouter(t, web.RouterConfig{Log: log.handler()}, get("/", ok))
		r := httptest.NewRequest("GET", "/", nil)
		if c.in != nil {
			r.Header["X-Request-Id"] = c.in
		}
		got := do(router, r).Header()["X-Request-Id"]
		if len(got) != 1 || (c.keep && got[0] != c.in[0]) || (!c.keep && len(got[0]) != 32) {
			t.Errorf("%s: got %q", c.name, got)
		}
		if line := log.only(t); line["request_id"] != got[0] {
			t.Errorf("%s: the log says %v, the answer %q", c.name, line["request_id"], got)
		}
	}
	router := newRouter(t, web.RouterConfig{}, get("/", ok))
	seen := map[string]bool{}
	for range 100 {
		seen[do(router, httptest.NewRequest("GET", "/", nil)).Header().Get("X-Request-Id")] = true
	}
	if len(seen) != 100 {
		t.Errorf("got %d different ids for 100 requests", len(seen))
	}
}

// MIS-05: a panic is a 500 in the route's own form that tells nothing, and the log has the stack.
func TestPanicIs500WithoutDetails(t *testing.T) {
	log := new(lines)
	route := get("/", func(http.ResponseWriter, *http.Request) error { panic("boom in the vault") })
	route.Errors = func(w http.ResponseWriter, _ *http.Request, err error) {
		w.WriteHeader(web.StatusOf(err))
		_, _ = io.WriteString(w, "surface:"+web.ProblemOf(err).Code)
	}
	w := do(newRouter(t, web.RouterConfig{Log: log.handler()}, route), httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || w.Body.String() != "surface:internal" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	line := log.only(t)
	if line["cause"] != "panic: boom in the vault" || line["level"] != "ERROR" || !strings.Contains(line["stack"].(string), "event_test.go") {
		t.Errorf("got %v", line)
	}
}

// An answer that broke in the middle is cut, not completed with an error or passed off as whole.
func TestBrokenAnswerIsCut(t *testing.T) {
	for name, h := range map[string]web.Handler{
		"error": func(w http.ResponseWriter, _ *http.Request) error { _ = ok(w, nil); return errors.New("late fault") },
		"panic": func(w http.ResponseWriter, _ *http.Request) error { _ = ok(w, nil); panic("late fault") },
		"abort": func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) },
	} {
		log := new(lines)
		router := newRouter(t, web.RouterConfig{Log: log.handler()}, get("/", h))
		server := httptest.NewServer(router)
		res, err := server.Client().Get(server.URL)
		if err == nil {
			_, err = io.ReadAll(res.Body)
			_ = res.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks whole", name)
		}
		server.Close()
		if line := log.only(t); line["cause"] == nil || line["level"] != "ERROR" {
			t.Errorf("%s: got %v", name, line)
		}
	}
}

// A fault of the error writer itself cuts the connection and is logged with what it was to write.
func TestPanicOfErrorWriterIsLogged(t *testing.T) {
	log := new(lines)
	router := newRouter(t, web.RouterConfig{Log: log.handler(), Errors: func(http.ResponseWriter, *http.Request, error) { panic("writer") }})
	func() {
		defer func() {
			if v := recover(); v != http.ErrAbortHandler {
				t.Errorf("got panic %v", v)
			}
		}()
		do(router, httptest.NewRequest("GET", "/nowhere", nil))
	}()
	if line := log.only(t); !strings.Contains(fmt.Sprint(line["cause"]), "writer") || !strings.Contains(fmt.Sprint(line["cause"]), "nothing at this path") {
		t.Errorf("got %v", line)
	}
}

// A client that leaves is no fault of ours.
func TestClientThatLeftIsLoggedAs499(t *testing.T) {
	log := new(lines)
	router := newRouter(t, web.RouterConfig{Log: log.handler()}, get("/", func(_ http.ResponseWriter, r *http.Request) error {
		<-r.Context().Done()
		return fmt.Errorf("read client: %w", r.Context().Err())
	}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	do(router, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if line := log.only(t); line["status"] != 499.0 || line["level"] != "INFO" {
		t.Errorf("got %v", line)
	}
}

// The log has the code and the cause of a refusal; the answer has no cause. 503 warns.
func TestCauseIsLoggedAndNotShown(t *testing.T) {
	log := new(lines)
	router := newRouter(t, web.RouterConfig{Log: log.handler()}, get("/", func(http.ResponseWriter, *http.Request) error {
		return fmt.Errorf("read role: %w", iam.Errorf(iam.Unavailable, "the store does not answer").WithCause(errors.New("dial redis-7")))
	}))
	w := do(router, httptest.NewRequest("GET", "/?q=1", nil))
	p := problem(t, w)
	if w.Code != 503 || strings.Contains(w.Body.String(), "redis") || p.Detail != "the store does not answer" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	line := log.only(t)
	if line["error"] != "unavailable" || line["level"] != "WARN" || !strings.Contains(line["cause"].(string), "dial redis-7") {
		t.Errorf("got %v", line)
	}
}

// What a stranger makes up becomes no label: unknown paths and methods have one name each.
func TestUnknownPathAndMethodAreNotLogged(t *testing.T) {
	log := new(lines)
	router := newRouter(t, web.RouterConfig{Log: log.handler()})
	do(router, httptest.NewRequest("SECRET", "/SECRET", nil))
	line := log.only(t)
	if line["method"] != "OTHER" || line["route"] != "unknown" || line["status"] != 404.0 || strings.Contains(log.String(), "SECRET") {
		t.Errorf("got %v", line)
	}
}

// A handler with routes of its own names them, and the peer is there to be limited by.
func TestHandlerSeesEvent(t *testing.T) {
	log := new(lines)
	router := newRouter(t, web.RouterConfig{Log: log.handler()}, web.Route{Path: "/api/", Prefix: true, Handler: func(w http.ResponseWriter, r *http.Request) error {
		web.SetRoute(r.Context(), "/api/users/{user}")
		if got := web.Peer(r.Context()); got != netip.MustParseAddr("192.0.2.1") {
			t.Errorf("got peer %v", got)
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("the writer cannot flush")
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		return nil
	}})
	do(router, httptest.NewRequest("GET", "/api/users/7", nil))
	if line := log.only(t); line["route"] != "/api/users/{user}" {
		t.Errorf("got %v", line)
	}
	if web.RequestID(t.Context()) != "" || web.Peer(t.Context()).IsValid() || web.Var(t.Context(), "x") != "" || web.FormOf(t.Context()).Has("x") {
		t.Error("a context outside a request has an event")
	}
}
