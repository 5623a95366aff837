package web_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// lines is a log to look into.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) handler() slog.Handler { return slog.NewJSONHandler(l, nil) }

// only returns the one line that must be there.
func (l *lines) only(t *testing.T) map[string]any {
	t.Helper()
	text := strings.TrimSuffix(l.String(), "\n")
	if strings.Contains(text, "\n") {
		t.Fatalf("got more than one log line:\n%s", text)
	}
	var line map[string]any
	if err := json.Unmarshal([]byte(text), &line); err != nil {
		t.Fatalf("log line %q: %v", text, err)
	}
	return line
}

func newRouter(t testing.TB, config web.RouterConfig, routes ...web.Route) *web.Router {
	t.Helper()
	if config.Log == nil {
		config.Log = slog.DiscardHandler
	}
	router, err := web.NewRouter(config, routes...)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

func get(path string, h web.Handler) web.Route {
	return web.Route{Methods: []string{"GET"}, Path: path, Handler: h}
}

func ok(w http.ResponseWriter, _ *http.Request) error {
	_, err := w.Write([]byte("ok"))
	return err
}

func do(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder) web.ProblemBody {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("got Content-Type %q with body %s", got, w.Body)
	}
	var p web.ProblemBody
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code {
		t.Errorf("got status %d in the body of a %d", p.Status, w.Code)
	}
	return p
}
